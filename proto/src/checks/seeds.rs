//! The fuzzer's first inputs, made of the requests in `tests/fixtures/capture`.

use std::path::Path;

use bytes::Bytes;

use crate::model::{Trace, TraceId};
use crate::otlp::json::{read, write_trace};
use crate::otlp::{Limits, decode};

#[test]
#[ignore = "writes the seeds again"]
fn write_the_seeds() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let write = |target: &str, name: &str, seed: &[u8]| {
        let folder = project.join("fuzz/corpus").join(target);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(name), seed).expect("written");
    };
    for file in std::fs::read_dir(project.join("tests/fixtures/capture")).expect("the capture") {
        let path = file.expect("a file").path();
        let body = std::fs::read(&path).expect("a request");
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        let protobuf = match path.extension().and_then(|extension| extension.to_str()) {
            Some("pb") => Bytes::from(body),
            Some("json") => {
                write("otlp_json", name, &body);
                read(&body, &Limits::default()).expect("json").body
            }
            _ => continue,
        };
        let spans = decode(&protobuf).expect("protobuf");
        write("otlp_json", &format!("{name}-written"), write_trace(&Trace { id: TraceId([1; 16]), spans }).as_bytes());
        write("otlp_walk", name, &protobuf);
    }
}

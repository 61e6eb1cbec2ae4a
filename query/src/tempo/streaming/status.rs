//! Failures as gRPC says them.

use std::time::Duration;

use hoptrail_proto::otlp::{self, Detail};
use tonic::{Code, Status};

use crate::http::ApiError;

/// When to ask again, where that may help.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Longer texts are cut: they travel in a header, and clients take 8 kB of headers, in which most bytes may be escaped.
const MOST_TEXT: usize = 2000;

/// The status of a failure: the code that HTTP would have, in gRPC's numbers.
pub(super) fn of(error: &ApiError) -> Status {
    error.log();
    let code = code(error.status().as_u16());
    let text = cut(error.to_string());
    // A client may ask again where it is told when.
    if error.status().as_u16() != 429 {
        return Status::new(code, text);
    }
    let details = vec![Detail::RetryInfo(RETRY_AFTER)];
    let details = otlp::Status { code: code as i32, message: text.clone(), details }.to_protobuf();
    Status::with_details(code, text, details.into())
}

fn code(http: u16) -> Code {
    match http {
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        404 => Code::NotFound,
        422 | 429 => Code::ResourceExhausted,
        499 => Code::Cancelled,
        501 => Code::Unimplemented,
        504 => Code::DeadlineExceeded,
        _ => Code::Internal,
    }
}

fn cut(mut text: String) -> String {
    if text.len() > MOST_TEXT {
        text.truncate(text.floor_char_boundary(MOST_TEXT));
        text.push_str(" … (cut)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("short".to_owned()), "short");
        let long = cut("x".to_owned() + &"é".repeat(MOST_TEXT));
        assert!(long.ends_with("é … (cut)") && long.len() < MOST_TEXT + 20, "{} bytes", long.len());
    }
}

//! Content encodings: bodies are decompressed within bounds.

use std::io::{self, BufReader, Read};

use crate::admission::Reservation;
use crate::error::Failure;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    /// zlib, as HTTP's `deflate` is.
    Deflate,
    Zstd,
}

/// What to tell clients that they may use.
pub(crate) const SUPPORTED: &str = "gzip, zstd, deflate, identity";

/// The largest window of a zstd frame, as a power of two: what level 19 uses, and 16 MiB of memory. Level 22 would take 128.
const ZSTD_WINDOW_LOG: u32 = 24;

/// The step in which output is produced, reserved and checked against the limit.
const STEP: usize = 64 << 10;

impl Encoding {
    /// The encoding of a `content-encoding` or `grpc-encoding`; none is identity.
    pub(crate) fn parse(name: Option<&http::HeaderValue>) -> Result<Self, Failure> {
        let Some(name) = name else { return Ok(Self::Identity) };
        let text = String::from_utf8_lossy(name.as_bytes()).trim().to_ascii_lowercase();
        match text.as_str() {
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            "zstd" => Ok(Self::Zstd),
            _ => Err(Failure::UnsupportedEncoding(text)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }

    /// Decompresses a body. Stops as soon as the output passes `limit` or there is no room for it.
    pub(crate) fn decompress(self, body: &[u8], limit: usize, room: &mut Reservation) -> Result<Vec<u8>, Failure> {
        let broken = |source: io::Error| Failure::Compression { encoding: self.name(), source };
        let read: &mut dyn Read = match self {
            Self::Identity => &mut BufReader::new(body),
            Self::Gzip => &mut flate2::bufread::MultiGzDecoder::new(body),
            Self::Deflate => &mut flate2::bufread::ZlibDecoder::new(body),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(broken)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(broken)?;
                &mut Box::new(decoder)
            }
        };
        let mut out = Vec::new();
        loop {
            let before = out.len();
            room.reserve(STEP)?;
            Read::take(&mut *read, STEP as u64).read_to_end(&mut out).map_err(broken)?;
            if out.len() > limit {
                return Err(Failure::TooLarge { limit });
            }
            if out.len() == before {
                return Ok(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use prometheus_client::metrics::gauge::Gauge;

    use super::*;
    use crate::admission::Admission;

    fn compress(encoding: Encoding, body: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::fast();
        match encoding {
            Encoding::Identity => body.to_vec(),
            Encoding::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
                writer.write_all(body).and_then(|()| writer.finish()).expect("memory")
            }
            Encoding::Deflate => {
                let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), level);
                writer.write_all(body).and_then(|()| writer.finish()).expect("memory")
            }
            Encoding::Zstd => zstd::encode_all(body, 1).expect("memory"),
        }
    }

    const ALL: [Encoding; 3] = [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd];

    #[test]
    fn bodies_up_to_the_limit_are_read_whole() {
        let admission = Admission::new(Gauge::default(), 10 << 20);
        for encoding in ALL {
            for length in [0, 1, STEP - 1, STEP, STEP + 1, 300_000] {
                let body: Vec<u8> = (0..length).map(|n| n as u8).collect();
                let mut room = admission.admit(0).expect("room");
                let read = encoding.decompress(&compress(encoding, &body), 300_000, &mut room).expect("valid");
                assert!(read == body, "{encoding:?} {length}");
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_decompressed() {
        let used = Gauge::default();
        let admission = Admission::new(used.clone(), 1 << 30);
        let zeros = vec![0; 50 << 20];
        for encoding in ALL {
            let bomb = compress(encoding, &zeros);
            assert!(bomb.len() < 300_000);
            let mut room = admission.admit(0).expect("room");
            let error = encoding.decompress(&bomb, 1 << 20, &mut room).expect_err("too large");
            assert!(matches!(error, Failure::TooLarge { limit: 1_048_576 }), "{error}");
            assert!(used.get() < 2 << 20, "{encoding:?} held {}", used.get());
        }
    }

    #[test]
    fn decompressing_needs_room() {
        let admission = Admission::new(Gauge::default(), 1 << 20);
        let mut room = admission.admit(0).expect("room");
        let body = compress(Encoding::Gzip, &vec![0; 5 << 20]);
        assert!(matches!(Encoding::Gzip.decompress(&body, 16 << 20, &mut room), Err(Failure::Busy)));
    }

    #[test]
    fn broken_bodies_say_what_they_are_not() {
        let admission = Admission::new(Gauge::default(), 1 << 20);
        for encoding in ALL {
            let whole = compress(encoding, b"some spans, some more spans");
            for body in [b"not compressed".as_slice(), &whole[..whole.len() / 2]] {
                let mut room = admission.admit(0).expect("room");
                let error = encoding.decompress(body, 1000, &mut room).expect_err("broken");
                assert!(error.to_string().contains(encoding.name()), "{error}");
                assert_eq!(error.http_status(), 400);
            }
        }
    }
}

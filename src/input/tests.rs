//! Bytes in, bytes out, in pieces of every size.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// POST, http, an authority of three bytes, `/`.
fn headers(authority: &[u8; 3]) -> Vec<u8> {
    [&[0x83, 0x86, 0x41, 3], authority.as_slice(), &[0x84]].concat()
}

/// What is read of `sent`, which comes in pieces of so many bytes; and whether the reader came to an end.
async fn through(sent: &[u8], piece: usize, end: EndOfInput) -> (Vec<u8>, bool) {
    let (mut client, server) = tokio::io::duplex(piece);
    let mut input = Input::new(server, end);
    let sent = sent.to_vec();
    let sending = tokio::spawn(async move {
        client.write_all(&sent).await.expect("the reader reads");
        client.shutdown().await.expect("open");
        client
    });
    let mut read = Vec::new();
    let reading = async { while input.read_buf(&mut read).await.expect("readable") > 0 {} };
    let ended = tokio::time::timeout(std::time::Duration::from_millis(200), reading).await.is_ok();
    sending.await.expect("no panic");
    (read, ended)
}

#[tokio::test]
async fn authorities_are_repaired_wherever_the_pieces_end() {
    let padded = [&[4], [0, 0, 0, 0, 9].as_slice(), &headers(b"a|b"), &[0; 4]].concat();
    let sent = |repaired: bool| {
        let (first, second) = if repaired {
            (
                frame(HEADERS, END_HEADERS | PRIORITY, 1, &[[0, 0, 0, 0, 9].as_slice(), &headers(b"a-b")].concat()),
                b"c-d",
            )
        } else {
            (frame(HEADERS, END_HEADERS | PADDED | PRIORITY, 1, &padded), b"c|d")
        };
        [
            PREFACE.to_vec(),
            frame(4, 0, 0, &[]),
            first,
            frame(DATA, END_STREAM, 1, &[HEADERS; 100]),
            frame(HEADERS, END_HEADERS | END_STREAM, 3, &headers(second)),
            frame(HEADERS, END_HEADERS | END_STREAM, 5, &headers(b"a.b")),
        ]
        .concat()
    };
    for piece in [1, 2, 3, 7, 8, 9, 10, 24, 25, 33, 50, 64, 100, 200, 4096] {
        let (read, ended) = through(&sent(false), piece, EndOfInput::Leaves).await;
        assert!(read == sent(true) && ended, "in pieces of {piece}: {read:?}");
    }
}

#[tokio::test]
async fn what_is_no_http2_or_not_understood_passes() {
    let large = frame(HEADERS, END_HEADERS, 1, &vec![0x41; MOST_HEADERS + 1]);
    let split = [frame(HEADERS, 0, 1, &headers(b"a|b")), frame(9, END_HEADERS, 1, &[])].concat();
    let broken = [frame(HEADERS, END_HEADERS | PADDED, 1, &[200, 1]), frame(HEADERS, END_HEADERS, 3, &[])].concat();
    for sent in [
        b"POST /v1/traces HTTP/1.1\r\n\r\n".to_vec(),
        b"PRI * HTTP/1.1\r\n\r\n".to_vec(),
        b"PRI".to_vec(),
        [PREFACE, &large].concat(),
        [PREFACE, &split].concat(),
        [PREFACE, &broken].concat(),
        [PREFACE, &frame(HEADERS, END_HEADERS, 1, &headers(b"a|b"))[..12]].concat(),
    ] {
        for piece in [1, 10, 4096] {
            let (read, ended) = through(&sent, piece, EndOfInput::Awaits).await;
            let held = sent.starts_with(PREFACE) && sent.len() == PREFACE.len() + 12;
            let wanted = if held { PREFACE } else { sent.as_slice() };
            assert!(read.starts_with(wanted) && (ended || read.len() > wanted.len()), "{sent:?} in {piece}: {read:?}");
        }
    }
}

#[tokio::test]
async fn a_goodbye_follows_when_all_has_arrived_and_only_where_answers_are_awaited() {
    let head = |flags| frame(HEADERS, END_HEADERS | flags, 1, &headers(b"a.b"));
    let whole = [PREFACE, &head(0), &frame(DATA, END_STREAM, 1, &[1; 20])].concat();
    let empty = [PREFACE, &head(END_STREAM)].concat();
    let reset = [PREFACE, &head(0), &frame(RST_STREAM, 0, 1, &[0; 4])].concat();
    let open = [PREFACE, &head(0), &frame(DATA, 0, 1, &[1; 20])].concat();
    let cut = whole[..whole.len() - 1].to_vec();
    let http1 = b"POST /v1/traces HTTP/1.1\r\n\r\n".to_vec();
    for (sent, goodbye) in [(whole, true), (empty, true), (reset, true), (open, false), (cut, false), (http1, false)] {
        let (read, ended) = through(&sent, 4096, EndOfInput::Awaits).await;
        assert_eq!(
            (read.strip_prefix(sent.as_slice()).expect("all of it"), ended),
            if goodbye { (&GOODBYE[..], false) } else { (&[][..], true) }
        );
        assert_eq!(through(&sent, 4096, EndOfInput::Leaves).await, (sent, true));
    }
}

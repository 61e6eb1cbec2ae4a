//! What clients send, put right where the library that reads HTTP/2 is stricter than clients are.
//!
//! - An `:authority` that is no host, such as Istio's `outbound|4317||otel.svc`, resets the stream there. Nobody here asks which host
//!   a client meant, so it becomes one that the library takes.
//! - A client that closes its sending half gets no answer there. Where it shall, it is made to say goodbye (GOAWAY), after which the
//!   library answers what is open and then closes.
//!
//! Frames other than those with headers are passed on as they lie in the reader's buffer. HTTP/1 is not touched.

mod hpack;

use std::collections::HashSet;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a client may do and still wants an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndOfInput {
    /// It has closed its sending half and still reads: it gets its answer.
    Awaits,
    /// It has left: what it asked for is given up. A query shall not go on for nobody.
    Leaves,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types and flags of RFC 9113, section 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// The head of a frame: length, type, flags, stream.
const HEAD: usize = 9;

/// Headers of more bytes are passed on as they are; those of one frame may have 16 kB by default.
const MOST_HEADERS: usize = 16 << 10;

/// Streams open at once that are told apart, more than a connection may have.
const MOST_STREAMS: usize = 1000;

/// `GOAWAY`: eight bytes, no stream; last stream 0, no error.
const GOODBYE: [u8; HEAD + 8] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A connection whose input is put right.
#[derive(Debug)]
pub struct Input<S> {
    stream: S,
    end: EndOfInput,
    frames: Frames,
}

impl<S> Input<S> {
    /// The input of `stream`.
    pub fn new(stream: S, end: EndOfInput) -> Self {
        Self { stream, end, frames: Frames::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Input<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, end, frames } = self.get_mut();
        loop {
            if frames.ended {
                return Poll::Pending;
            }
            if buf.remaining() == 0 || frames.hand_out(buf) {
                return Poll::Ready(Ok(()));
            }
            let before = buf.filled().len();
            ready!(Pin::new(&mut *stream).poll_read(cx, buf))?;
            if buf.filled().len() == before {
                let goodbye = *end == EndOfInput::Awaits && frames.say_goodbye();
                if !goodbye {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            let passed = frames.walk(buf.filled().get(before..).unwrap_or_default());
            buf.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Input<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Where the walk over the bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// So many bytes of the preface have come.
    Preface(usize),
    /// So many bytes of a frame are still to be passed on.
    Frame(usize),
    /// This is not HTTP/2.
    Other,
}

#[derive(Debug)]
struct Frames {
    at: At,
    /// The beginning of a frame that is needed whole.
    held: Vec<u8>,
    /// Bytes put right, to be handed out first.
    ready: Vec<u8>,
    /// Requests that have not arrived in full; none when there are too many to tell.
    arriving: Option<HashSet<u32>>,
    /// The highest stream so far.
    newest: u32,
    goodbye: bool,
    ended: bool,
}

impl Default for Frames {
    fn default() -> Self {
        let (held, ready, arriving) = (Vec::new(), Vec::new(), Some(HashSet::new()));
        Self { at: At::Preface(0), held, ready, arriving, newest: 0, goodbye: false, ended: false }
    }
}

impl Frames {
    /// Moves what is ready to the reader; whether there was something.
    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let some = !self.ready.is_empty();
        let length = self.ready.len().min(buf.remaining());
        buf.put_slice(self.ready.get(..length).unwrap_or_default());
        self.ready.drain(..length);
        self.ended = self.goodbye && self.ready.is_empty();
        some
    }

    /// Ends the input with a goodbye, if it ends between frames and all requests have arrived.
    fn say_goodbye(&mut self) -> bool {
        let whole = self.held.is_empty() && self.at == At::Frame(0);
        if whole && self.arriving.as_ref().is_some_and(HashSet::is_empty) {
            self.ready.extend_from_slice(&GOODBYE);
            self.goodbye = true;
        }
        self.goodbye
    }

    /// Walks over bytes that have come; so many of them are passed on as they are. The rest is kept.
    fn walk(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while let Some(rest) = bytes.get(passed..).filter(|rest| !rest.is_empty()) {
            let step = match self.at {
                At::Other => rest.len(),
                At::Preface(seen) => self.preface(seen, rest),
                At::Frame(left) if left > 0 && self.held.is_empty() => {
                    let step = left.min(rest.len());
                    self.at = At::Frame(left - step);
                    step
                }
                At::Frame(_) => match Head::read(rest).filter(|head| self.held.is_empty() && !head.is_needed_whole()) {
                    Some(head) => {
                        self.note(&head);
                        self.at = At::Frame(HEAD + head.length);
                        0
                    }
                    None => {
                        self.held.extend_from_slice(rest);
                        self.settle();
                        return passed;
                    }
                },
            };
            passed += step;
        }
        passed
    }

    fn preface(&mut self, seen: usize, rest: &[u8]) -> usize {
        let wanted = PREFACE.get(seen..).unwrap_or_default();
        let step = wanted.len().min(rest.len());
        self.at = match wanted.get(..step) == rest.get(..step) {
            true if step == wanted.len() => At::Frame(0),
            true => At::Preface(seen + step),
            false => At::Other,
        };
        step
    }

    /// Makes ready what is whole of what is held.
    fn settle(&mut self) {
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        while let Some(head) = Head::read(rest) {
            let frame = HEAD + head.length;
            if head.is_needed_whole() && rest.len() < frame {
                break;
            }
            self.note(&head);
            let (now, later) = rest.split_at(frame.min(rest.len()));
            match head.is_needed_whole().then(|| head.mended(now)).flatten() {
                Some(mended) => self.ready.extend_from_slice(&mended),
                None => self.ready.extend_from_slice(now),
            }
            self.at = At::Frame(frame - now.len());
            rest = later;
        }
        self.held = rest.to_vec();
    }

    /// Follows which requests have arrived.
    fn note(&mut self, head: &Head) {
        let Some(arriving) = &mut self.arriving else { return };
        let ends = head.flags & END_STREAM != 0;
        match head.kind {
            HEADERS if head.stream > self.newest => {
                self.newest = head.stream;
                if !ends {
                    arriving.insert(head.stream);
                }
            }
            DATA | HEADERS if ends => _ = arriving.remove(&head.stream),
            RST_STREAM => _ = arriving.remove(&head.stream),
            _ => {}
        }
        if arriving.len() > MOST_STREAMS {
            self.arriving = None;
        }
    }
}

/// The head of a frame.
struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, stream @ ..] = bytes.first_chunk::<HEAD>()?;
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        Some(Self { length, kind: *kind, flags: *flags, stream: u32::from_be_bytes(*stream) & (u32::MAX >> 1) })
    }

    /// Whether it is one with all headers of a request.
    fn is_needed_whole(&self) -> bool {
        self.kind == HEADERS && self.flags & END_HEADERS != 0 && self.length <= MOST_HEADERS
    }

    /// The frame with its headers put right, without padding; none when nothing has to be changed.
    fn mended(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let mut payload = frame.get(HEAD..)?;
        if self.flags & PADDED != 0 {
            let (padding, rest) = payload.split_first()?;
            payload = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
        }
        let (priority, block) = payload.split_at_checked(if self.flags & PRIORITY == 0 { 0 } else { 5 })?;
        let block = hpack::mend(block)?;
        let length = u32::try_from(priority.len() + block.len()).ok()?.to_be_bytes();
        let head = [length[1], length[2], length[3], self.kind, self.flags & !PADDED];
        Some([&head[..], &self.stream.to_be_bytes(), priority, &block].concat())
    }
}

#[cfg(test)]
mod tests;

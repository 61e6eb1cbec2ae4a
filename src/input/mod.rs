//! Repairs what clients send, where the library that reads HTTP/2 is stricter than clients are.
//!
//! - An `:authority` that is no host, such as Istio's `outbound|4317||otel.svc`, makes the library reset the stream. Nothing here
//!   depends on the host, so it is replaced by one that the library takes.
//! - A client that closes its sending half gets no answer from the library. Where it should get one, a GOAWAY frame is added to its
//!   input. The library then answers the open requests and closes.
//!
//! All other frames are passed on from the reader's buffer, without a copy. HTTP/1 is not touched.

mod hpack;

use std::collections::HashSet;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What it means when a client closes its sending half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndOfInput {
    /// It still reads, and gets its answer.
    Awaits,
    /// It has left. Its query is cancelled, so that none goes on for nobody.
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

/// Longer headers are passed on as they are. By default a frame has at most 16 kB.
const MOST_HEADERS: usize = 16 << 10;

/// The most open streams that are followed: more than a connection may have.
const MOST_STREAMS: usize = 1000;

/// `GOAWAY`: eight bytes, no stream; last stream 0, no error.
const GOODBYE: [u8; HEAD + 8] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A connection whose input is repaired.
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

/// The state of the walk over the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The connection begins. So many bytes of the preface have come.
    Preface(usize),
    /// Inside of a frame, of which so many bytes are still to be passed on; 0 between two frames.
    Frame(usize),
    /// This is not HTTP/2.
    Other,
}

#[derive(Debug)]
struct Frames {
    at: At,
    /// The beginning of a frame that is needed whole, until the rest has come.
    held: Vec<u8>,
    /// Repaired bytes, to be read before anything else.
    ready: Vec<u8>,
    /// Requests that have not arrived in full; none when there are too many to follow.
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
    /// Moves bytes that are ready to the reader. Says whether there were any.
    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let some = !self.ready.is_empty();
        let length = self.ready.len().min(buf.remaining());
        buf.put_slice(self.ready.get(..length).unwrap_or_default());
        self.ready.drain(..length);
        self.ended = self.goodbye && self.ready.is_empty();
        some
    }

    /// Adds a GOAWAY frame, if the input ends between frames and all requests have arrived. Says whether it did.
    fn say_goodbye(&mut self) -> bool {
        let whole = self.held.is_empty() && self.at == At::Frame(0);
        if whole && self.arriving.as_ref().is_some_and(HashSet::is_empty) {
            self.ready.extend_from_slice(&GOODBYE);
            self.goodbye = true;
        }
        self.goodbye
    }

    /// Walks over bytes that have come. Returns how many of them are passed on as they are; the rest is held.
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

    /// Repairs the frames that are held whole, and makes them ready.
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
            match head.is_needed_whole().then(|| head.repaired(now)).flatten() {
                Some(repaired) => self.ready.extend_from_slice(&repaired),
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

    /// Whether it has all headers of a request.
    fn is_needed_whole(&self) -> bool {
        self.kind == HEADERS && self.flags & END_HEADERS != 0 && self.length <= MOST_HEADERS
    }

    /// The frame with its headers repaired, without padding; none when nothing has to be changed.
    fn repaired(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let mut payload = frame.get(HEAD..)?;
        if self.flags & PADDED != 0 {
            let (padding, rest) = payload.split_first()?;
            payload = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
        }
        let (priority, block) = payload.split_at_checked(if self.flags & PRIORITY == 0 { 0 } else { 5 })?;
        let block = hpack::repair(block)?;
        let [_, a, b, c] = u32::try_from(priority.len() + block.len()).ok()?.to_be_bytes();
        let head = [a, b, c, self.kind, self.flags & !PADDED];
        Some([&head[..], &self.stream.to_be_bytes(), priority, &block].concat())
    }
}

#[cfg(test)]
mod tests;

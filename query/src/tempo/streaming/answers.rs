//! The messages of a call, as the work behind them makes them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tonic::Status;

use super::status;
use crate::http::ApiError;

/// Messages that wait for the client; the work waits until there is room.
const AHEAD: usize = 1;

/// What makes the messages.
type Work = Pin<Box<dyn Future<Output = Result<(), ApiError>> + Send>>;

/// The stream of messages. The work goes on as far as the stream is read, and ends when it is dropped.
pub(super) struct Answers<A> {
    work: Option<Work>,
    messages: Receiver<A>,
    failure: Option<Status>,
}

impl<A> Answers<A> {
    pub(super) fn new<W>(start: impl FnOnce(Sender<A>) -> W) -> Self
    where
        W: Future<Output = Result<(), ApiError>> + Send + 'static,
    {
        let (sender, messages) = channel(AHEAD);
        Self { work: Some(Box::pin(start(sender))), messages, failure: None }
    }
}

impl<A> Stream for Answers<A> {
    type Item = Result<A, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(Poll::Ready(ended)) = this.work.as_mut().map(|work| work.as_mut().poll(cx)) {
            // With the work its sender goes, and so the messages come to an end.
            this.work = None;
            this.failure = ended.err().map(|error| status::of(&error));
        }
        match this.messages.poll_recv(cx) {
            Poll::Ready(Some(message)) => Poll::Ready(Some(Ok(message))),
            Poll::Ready(None) => Poll::Ready(this.failure.take().map(Err)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Sends a message. Without a receiver the call has ended, and with it whoever sends.
pub(super) async fn send<A>(messages: &Sender<A>, message: A) {
    _ = messages.send(message).await;
}

//! Reads request bodies within bounds.

use std::time::Duration;

use axum::body::HttpBody;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use crate::admission::Reservation;
use crate::error::{BoxError, Failure};

/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);

/// How long the server waits for the rest of a refused body.
const DRAIN: Duration = Duration::from_secs(2);

/// Reads a whole body of at most `limit` bytes. A body in one piece is not copied.
pub(crate) async fn read<B>(body: &mut B, limit: usize, room: &mut Reservation) -> Result<Bytes, Failure>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    tokio::time::timeout(ARRIVAL, pieces(body, limit, room)).await.unwrap_or(Err(Failure::Slow { limit: ARRIVAL }))
}

async fn pieces<B>(body: &mut B, limit: usize, room: &mut Reservation) -> Result<Bytes, Failure>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Interrupted(error.into()))?;
        let Ok(piece) = frame.into_data() else { continue };
        length += piece.len();
        if length > limit {
            return Err(Failure::TooLarge { limit });
        }
        room.read(piece.len())?;
        if !piece.is_empty() {
            pieces.push(piece);
        }
    }
    if pieces.len() < 2 {
        return Ok(pieces.pop().unwrap_or_default());
    }
    let mut whole = BytesMut::with_capacity(length);
    pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
    Ok(whole.freeze())
}

/// Reads what is left of a refused body, up to `limit` bytes and for a moment. A client that is still sending would otherwise find
/// the connection closed instead of the answer, and send the same again.
pub(crate) async fn drain<B>(body: &mut B, limit: usize)
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let rest = async {
        let mut length = 0;
        while let Some(Ok(frame)) = body.frame().await {
            length += frame.data_ref().map_or(0, Bytes::len);
            if length > limit {
                break;
            }
        }
    };
    _ = tokio::time::timeout(DRAIN, rest).await;
}

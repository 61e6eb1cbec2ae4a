//! Bounds the memory of requests in flight: every byte is reserved before it is read or produced.

use prometheus_client::metrics::gauge::Gauge;

/// What a request costs besides its bytes: headers, buffers, tasks.
pub(crate) const BASE: usize = 4 << 10;

/// The bytes that all requests together may hold.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    used: Gauge,
    limit: usize,
}

/// The limit is reached. There will be room later.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Admission {
    /// `used` shows the bytes reserved.
    pub(crate) fn new(used: Gauge, limit: usize) -> Self {
        Self { used, limit }
    }

    /// Admits a request whose body has at least `length` bytes.
    pub(crate) fn admit(&self, length: usize) -> Result<Reservation, Full> {
        let mut reservation = Reservation { admission: self.clone(), bytes: 0, read: 0 };
        reservation.reserve(length.saturating_add(BASE))?;
        Ok(reservation)
    }
}

/// The bytes that one request has reserved. Dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Reservation {
    admission: Admission,
    bytes: usize,
    /// Bytes of the body read so far, of which those announced were reserved in advance.
    read: usize,
}

impl Reservation {
    /// Reserves more.
    pub(crate) fn reserve(&mut self, bytes: usize) -> Result<(), Full> {
        let bytes = bytes.min(self.admission.limit + 1);
        let before = usize::try_from(self.admission.used.inc_by(bytes as i64)).unwrap_or(0);
        if before + bytes > self.admission.limit {
            self.admission.used.dec_by(bytes as i64);
            return Err(Full);
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Accounts for bytes of the body that have arrived.
    pub(crate) fn read(&mut self, bytes: usize) -> Result<(), Full> {
        self.read += bytes;
        match (self.read + BASE).checked_sub(self.bytes) {
            None | Some(0) => Ok(()),
            Some(missing) => self.reserve(missing),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.admission.used.dec_by(self.bytes as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_reserved_until_the_limit_and_given_back() {
        let used = Gauge::default();
        let admission = Admission::new(used.clone(), 10_000);
        let mut first = admission.admit(1_000).expect("room");
        assert_eq!(used.get(), 5_096);
        assert_eq!(first.read(1_000), Ok(()));
        assert_eq!(used.get(), 5_096, "announced bytes are not counted twice");
        assert_eq!(first.read(4_000), Ok(()));
        assert_eq!(used.get(), 9_096);
        assert_eq!(first.reserve(905), Err(Full));
        assert!(admission.admit(0).is_err());
        drop(first);
        assert_eq!(used.get(), 0);
        assert!(admission.admit(usize::MAX).is_err());
        assert_eq!(used.get(), 0);
    }
}

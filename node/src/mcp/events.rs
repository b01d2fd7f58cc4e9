//! Server-Sent Events, read as they come (WHATWG HTML 9.2.6).
//!
//! Only what an event carries is wanted: its data. Comments, names, ids and retry times are passed
//! over. Refused here: an event without end.

use super::limits::MESSAGE_BYTES_MAX;

/// A stream, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Option<Vec<u8>>,
    /// The last byte was a carriage return, so a line feed belongs to it.
    returned: bool,
}

/// An event is longer than a message may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Events {
    /// Takes bytes in; the data of every event that they end.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut ended = Vec::new();
        for byte in bytes {
            let after_return = std::mem::take(&mut self.returned);
            match byte {
                b'\n' if after_return => {}
                b'\n' => ended.extend(self.end_line()),
                b'\r' => {
                    self.returned = true;
                    ended.extend(self.end_line());
                }
                other => self.line.push(*other),
            }
            if self.line.len() + self.data.as_ref().map_or(0, Vec::len) > MESSAGE_BYTES_MAX + 64 {
                return Err(TooLong);
            }
        }
        Ok(ended)
    }

    /// A line is complete; the event's data where it was the empty one.
    fn end_line(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.data.take();
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        if field == b"data" {
            let value = value.get(1..).unwrap_or_default();
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the data of each event comes whole, however the bytes are cut and lines end.
    #[test]
    fn events_are_read_however_they_are_cut() {
        let text = ": hello\r\nevent: message\r\nid: 7\r\ndata: {\"a\":\r\ndata:1}\r\n\r\ndata: x\n\n\
                    data\n\nretry: 3\n\ndata:  y\r\rdata: never ended\n";
        let wanted: [&[u8]; 4] = [b"{\"a\":\n1}", b"x", b"", b" y"];
        for cut in 1..text.len() {
            let mut events = Events::default();
            let mut found = Vec::new();
            for part in text.as_bytes().chunks(cut) {
                found.extend(events.take(part).unwrap());
            }
            assert_eq!(found, wanted, "cut at {cut}");
        }
    }

    /// Goal: an event has its bound, on one line and on many.
    #[test]
    fn an_event_has_its_bound() {
        let mut one = Events::default();
        assert!(one.take(b"data: ").is_ok());
        assert_eq!(one.take(&vec![b'x'; MESSAGE_BYTES_MAX + 128]), Err(TooLong));
        let mut many = Events::default();
        let line = [&b"data: "[..], &[b'x'; 1024], b"\n"].concat();
        let ended = (0..MESSAGE_BYTES_MAX / 1024 + 2).find_map(|_| many.take(&line).err());
        assert_eq!(ended, Some(TooLong));
    }
}

//! How values are kept: which are stored out of line, how large they may be, and who encodes them.
//!
//! A value that is stored out of line is packed: one byte that tells how, then its JSON text, compressed where the feature `zstd`
//! is on and the settings say nothing else. What is packed then goes through the codec.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::kernel::barrier;
use crate::kernel::error::{ErrorKind, RuntimeError};
use crate::kernel::payload::{Envelope, Payload, Values, digest};

/// How inputs, results and other values are kept, for [`Builder::payloads`](crate::Builder::payloads) and
/// [`Client::payloads`](crate::Client::payloads).
///
/// Inputs and results above [`out_of_line_above`](Self::out_of_line_above) are stored out of line, in a table of their own; the history
/// names them by key, length and digest. There they are compressed if the feature `zstd` is on. A replay reads the results, and compares
/// the inputs of calls by their digests.
///
/// ```
/// # use dacapo::Payloads;
/// # async fn example() -> dacapo::Result<()> {
/// let payloads = Payloads::default().out_of_line_above(16 << 10).limit(1 << 20);
/// let runtime = dacapo::Runtime::builder("sqlite:orders.db").payloads(payloads).open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until they are given to a builder or a client"]
pub struct Payloads {
    out_of_line_above: usize,
    limit: usize,
    compress: bool,
    pub(super) codec: Option<Arc<dyn Codec>>,
}

/// Values above 64 KiB out of line, compressed where the feature `zstd` is on, none above 64 MiB, no codec.
impl Default for Payloads {
    fn default() -> Self {
        Self { out_of_line_above: 64 << 10, limit: 64 << 20, compress: true, codec: None }
    }
}

/// Encodes what reaches a store, and decodes what comes from it: to encrypt it, for example.
///
/// It is given every input, result, event, custom status and heartbeat, and what errors say. Names, ids, tags and reasons are not
/// encoded, because stores search and show them. What was stored before there was a codec stays readable.
///
/// A run whose values cannot be decoded is parked with a report and goes on when it is resumed in a process with the right codec.
///
/// The program `examples/encrypted_payloads.rs` encrypts with AES-256-GCM; this is how a codec looks:
///
/// ```
/// struct Masked(u8);
///
/// impl dacapo::Codec for Masked {
///     fn encode(&self, plain: &[u8]) -> Vec<u8> { plain.iter().map(|byte| byte ^ self.0).collect() }
///
///     fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
///         Ok(self.encode(encoded))
///     }
/// }
///
/// let payloads = dacapo::Payloads::default().codec(Masked(42));
/// ```
pub trait Codec: Send + Sync + 'static {
    /// Encodes a value, which is JSON text or that text compressed.
    fn encode(&self, plain: &[u8]) -> Vec<u8>;

    /// Decodes what [`encode`](Self::encode) gave.
    ///
    /// # Errors
    /// When the bytes are not what this codec has encoded: another key, a damaged file.
    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, Box<dyn StdError + Send + Sync>>;
}

/// The first byte of a packed value.
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

impl Payloads {
    /// The length of the JSON text, in bytes, above which inputs and results are stored out of line. Default: 64 KiB.
    pub fn out_of_line_above(mut self, bytes: usize) -> Self {
        self.out_of_line_above = bytes;
        self
    }

    /// How long the JSON text of a value may be, in bytes. A longer one is refused where it comes in: a start or a raise with an error, the
    /// arguments or the result of an activity and the result of an orchestration with a failure. Default: 64 MiB.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Whether what is stored out of line is compressed, if the feature `zstd` is on. A program that leaves the work to a worker built
    /// without the feature writes what that worker can read with `false`; it reads both. Default: yes.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Encodes everything that reaches the store.
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.codec = Some(Arc::new(codec));
        self
    }

    /// Whether reports and logs quote values. They do where there is no codec.
    pub(crate) fn values(&self) -> Values {
        if self.is_encrypted() { Values::Hidden } else { Values::Shown }
    }

    /// Whether there is a codec, so that reports quote no values.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.codec.is_some()
    }

    pub(super) fn is_large(&self, payload: &Payload) -> bool {
        payload.as_str().len() > self.out_of_line_above
    }

    /// Says what is wrong with a value that is too long.
    pub(crate) fn excess(&self, what: fmt::Arguments<'_>, payload: &Payload) -> Option<String> {
        let (length, limit) = (payload.as_str().len(), self.limit);
        (length > limit).then(|| {
            format!(
                "{what} is {length} bytes long as JSON, and a payload may have {limit}; keep it elsewhere and pass on where it is, \
                 or raise the limit with `Payloads::limit`"
            )
        })
    }

    fn encode(&self, plain: &[u8]) -> Vec<u8> {
        self.codec.as_ref().map_or_else(|| plain.to_vec(), |codec| codec.encode(plain))
    }

    fn decode(&self, encoded: Vec<u8>) -> Result<Vec<u8>, RuntimeError> {
        match &self.codec {
            None => Ok(encoded),
            Some(codec) => match barrier::run(|| codec.decode(&encoded)) {
                Ok(decoded) => decoded.map_err(|error| {
                    unreadable("the codec could not decode a stored payload; was it encoded with another key?").caused_by(&*error)
                }),
                Err(panic) => Err(unreadable("the codec panicked while it decoded a stored payload").caused_by(&panic)),
            },
        }
    }

    fn pack(&self, text: &str) -> Vec<u8> {
        if self.compress
            && let Some(packed) = compressed(text)
        {
            return packed;
        }
        let mut packed = Vec::with_capacity(text.len() + 1);
        packed.push(PLAIN);
        packed.extend_from_slice(text.as_bytes());
        packed
    }

    /// What stands for a value in the history, and what is stored out of line under `key`.
    pub(super) fn out_of_line(&self, key: i64, payload: &Payload) -> (Envelope, Vec<u8>) {
        let text = payload.as_str();
        let digest = hex(&self.encode(digest(text).as_bytes()));
        (Envelope::OutOfLine { key, length: text.len() as u64, digest }, self.encode(&self.pack(text)))
    }

    /// What stands for a value in its place.
    pub(super) fn inline(&self, payload: &Payload) -> Envelope {
        Envelope::Content(self.text(payload.as_str()))
    }

    /// A text as the codec writes it.
    pub(super) fn text(&self, text: &str) -> String {
        hex(&self.encode(text.as_bytes()))
    }

    /// The text that [`text`](Self::text) was given.
    pub(super) fn text_of(&self, encoded: &str) -> Result<String, RuntimeError> {
        let bytes = unhex(encoded).ok_or_else(|| unreadable("a stored payload is damaged"))?;
        utf8(self.decode(bytes)?)
    }

    /// The text that a codec has encoded. Without one it is not guessed at: what a codec writes may be text, too.
    pub(super) fn secret_of(&self, encoded: &str) -> Result<String, RuntimeError> {
        if self.codec.is_none() {
            return Err(unreadable("a stored payload was encoded by a codec, but none is set here"));
        }
        self.text_of(encoded)
    }

    /// The value that was stored out of line.
    pub(super) fn unpacked(&self, content: Vec<u8>) -> Result<Payload, RuntimeError> {
        value(utf8(unpack(self.decode(content)?)?)?)
    }
}

/// A value from its JSON text.
pub(super) fn value(text: String) -> Result<Payload, RuntimeError> {
    Payload::stored(text).map_err(|failure| no_value().caused_by(&failure))
}

/// Nothing where it would be no shorter.
#[cfg(feature = "zstd")]
fn compressed(text: &str) -> Option<Vec<u8>> {
    let mut packed = zstd::bulk::compress(text.as_bytes(), zstd::DEFAULT_COMPRESSION_LEVEL).ok()?;
    packed.insert(0, ZSTD);
    (packed.len() <= text.len()).then_some(packed)
}

#[cfg(not(feature = "zstd"))]
fn compressed(_: &str) -> Option<Vec<u8>> {
    None
}

fn unpack(mut packed: Vec<u8>) -> Result<Vec<u8>, RuntimeError> {
    match packed.first() {
        Some(&PLAIN) => Ok(packed.split_off(1)),
        #[cfg(feature = "zstd")]
        Some(&ZSTD) => zstd::decode_all(&packed[1..]).map_err(|error| no_value().caused_by(&error)),
        #[cfg(not(feature = "zstd"))]
        Some(&ZSTD) => Err(unreadable("a stored payload is compressed; build `dacapo` with its feature `zstd`")),
        _ => Err(no_value()),
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String, RuntimeError> {
    String::from_utf8(bytes).map_err(|_| no_value())
}

fn no_value() -> RuntimeError {
    unreadable("a stored payload is not JSON text; it was encoded by a codec that this process does not have")
}

fn unreadable(message: &str) -> RuntimeError {
    RuntimeError::new(ErrorKind::Unreadable, message)
}

fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0'));
    bytes.iter().flat_map(digits).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::{PLAIN, Payloads};
    use crate::kernel::payload::Payload;

    #[test]
    fn what_is_not_to_be_compressed_is_not_and_both_are_read() {
        let value = Payload::encode(&"a".repeat(1 << 17)).expect("a text is JSON");
        let plain = Payloads::default().compress(false);
        let (_, written) = plain.out_of_line(1, &value);
        assert_eq!((written[0], written.len()), (PLAIN, value.as_str().len() + 1));
        for content in [written, Payloads::default().out_of_line(1, &value).1] {
            assert_eq!(plain.unpacked(content).expect("it is readable"), value);
        }
    }
}

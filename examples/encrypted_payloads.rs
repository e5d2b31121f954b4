//! Everything that reaches the database is encrypted with AES-256-GCM.

use aes_gcm::aead::{Aead as _, AeadCore as _, OsRng};
use aes_gcm::{Aes256Gcm, Key, KeyInit as _, Nonce};
use dacapo::{Codec, Payloads, Runtime, activity, orchestrator};

/// A random nonce of 12 bytes, then what was encrypted.
struct Encrypted(Aes256Gcm);

impl Codec for Encrypted {
    fn encode(&self, plain: &[u8]) -> Vec<u8> {
        let nonce = Aes256Gcm::generate_nonce(&mut OsRng);
        let encrypted = self.0.encrypt(&nonce, plain).expect("only 64 GiB would be too much");
        [nonce.as_slice(), &encrypted].concat()
    }

    fn decode(&self, encoded: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
        let (nonce, encrypted) = encoded.split_at_checked(12).ok_or("too short for a nonce")?;
        self.0.decrypt(Nonce::from_slice(nonce), encrypted).map_err(|_| "another key has encrypted it, or it was changed".into())
    }
}

#[activity]
async fn charge(card: String) -> String {
    format!("charged {card}")
}

#[orchestrator]
async fn checkout(card: String) -> String {
    charge(card).await
}

#[tokio::main]
async fn main() -> dacapo::Result<()> {
    // A program takes its key from where it keeps its secrets.
    let key = Key::<Aes256Gcm>::from([7; 32]);
    let payloads = Payloads::default().codec(Encrypted(Aes256Gcm::new(&key)));
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("orders.db").display());
    let runtime = Runtime::builder(url).payloads(payloads).open().await?;
    let receipt = runtime.start(checkout("4000 0000 0000 0002".into())).await?.result().await?;
    assert_eq!(receipt, "charged 4000 0000 0000 0002");
    runtime.shutdown().await?;
    for file in std::fs::read_dir(folder.path())? {
        let bytes = std::fs::read(file?.path())?;
        assert!(!bytes.windows(6).any(|part| part == b"4000 0"), "the card is nowhere on the disk");
    }
    println!("{receipt}");
    Ok(())
}

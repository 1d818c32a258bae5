//! A person's public key, as it stands in a `.pub` file.

use russh::keys::{Algorithm, HashAlg, PublicKey as Parsed};
use tomo_proto::text::display_line;

/// Smallest RSA modulus; NIST SP 800-57 asks for it since 2014.
const RSA_BITS: u32 = 2_048;
/// Longest line that is looked at: an RSA key of 16,384 bits has 2,800.
const LONGEST: usize = 8_192;

/// What a public key says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Kind, as in `ssh-ed25519`.
    pub algorithm: String,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// What its owner has written behind it.
    pub comment: String,
}

/// Reads one line of a `.pub` file.
///
/// # Errors
/// Says what is wrong with it, never repeating it: it might be a private key.
pub fn public_key(text: &str) -> Result<PublicKey, String> {
    let line = text.trim();
    if line.contains("PRIVATE KEY") {
        return Err("this is a private key: keep it, and give the .pub file beside it".to_owned());
    }
    if line.lines().count() > 1 || line.len() > LONGEST {
        return Err("give one public key: one line, as it stands in a .pub file".to_owned());
    }
    let parsed = Parsed::from_openssh(line)
        .map_err(|_| "this is no public key: give the line of a .pub file, which begins with ssh-ed25519 or ssh-rsa")?;
    check(&parsed)?;
    Ok(PublicKey {
        algorithm: parsed.algorithm().to_string(),
        fingerprint: parsed.fingerprint(HashAlg::Sha256).to_string(),
        comment: display_line(parsed.comment().as_ref(), 64),
    })
}

/// Whether a key is of a kind that is taken.
fn check(key: &Parsed) -> Result<(), String> {
    match key.algorithm() {
        Algorithm::Ed25519 => Ok(()),
        Algorithm::Rsa { .. } => {
            let bits = key.key_data().rsa().map_or(0, |rsa| rsa.key_size());
            if bits >= RSA_BITS {
                Ok(())
            } else {
                Err(format!("an RSA key of {bits} bits is too small: {RSA_BITS} is the least"))
            }
        }
        other => Err(format!("a key of the kind {other} is not taken: make one with `ssh-keygen -t ed25519`")),
    }
}

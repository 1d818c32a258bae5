//! JSON Web Tokens of logins: EdDSA and nothing else, signed and verified by ring.

use std::path::Path;

use anyhow::Context as _;
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result as JwtResult},
};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use signature::{Error as SignatureError, Signer, Verifier};
use tomo_proto::id::{SessionId, UserId};

use crate::crypto::{read_private, write_private};

const ISSUER: &str = "tomo-daemon";
const AUDIENCE: &str = "tomo";
/// The clock may have been set back a little since a token was signed.
const LEEWAY_SECS: u64 = 300;

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    pub(super) sub: UserId,
    pub(super) sid: SessionId,
    /// Scopes with blanks between them, for whoever looks; the session decides.
    pub(super) scope: String,
    pub(super) iss: String,
    pub(super) aud: String,
    pub(super) iat: u64,
    pub(super) exp: u64,
}

/// The key pair that signs logins.
pub(super) struct Keys {
    signing: EncodingKey,
    verifying: DecodingKey,
    /// The one header that this daemon writes, encoded, with its dot.
    header: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Keys(…)")
    }
}

impl Keys {
    /// Reads the key, or makes it.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        // A second call in one process finds the same provider there already.
        _ = PROVIDER.install_default();
        if !path.exists() {
            let random = ring::rand::SystemRandom::new();
            let pair = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| anyhow::anyhow!("no key could be made"))?;
            write_private(path, pair.as_ref())?;
        }
        let bytes = read_private(path)?;
        let pair =
            Ed25519KeyPair::from_pkcs8(&bytes).map_err(|error| anyhow::anyhow!("{error}")).with_context(|| {
                format!("{} is not a signing key: remove it, and everybody signs in anew", path.display())
            })?;
        let signing = EncodingKey::from_ed_der(&bytes);
        let sample = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &(), &signing)?;
        let (header, _) = sample.split_once('.').context("a token has a header")?;
        let verifying = DecodingKey::from_ed_der(pair.public_key().as_ref());
        Ok(Self { signing, verifying, header: format!("{header}.") })
    }

    pub(super) fn sign(
        &self,
        user: UserId,
        session: SessionId,
        scope: String,
        now_ms: u64,
        life_secs: u64,
    ) -> Option<String> {
        let iat = now_ms / 1_000;
        let claims = Claims {
            sub: user,
            sid: session,
            scope,
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            iat,
            exp: iat + life_secs,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.signing).ok()
    }

    /// The claims of a token that this daemon signed and that has not expired.
    pub(super) fn verify(&self, token: &str, now_ms: u64) -> Option<Claims> {
        // No other algorithm, key or extension is even looked at.
        if !token.starts_with(&self.header) {
            return None;
        }
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[AUDIENCE]);
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        // Checked against our own clock below.
        rules.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &rules).ok()?.claims;
        let now = now_ms / 1_000;
        (claims.exp > now && claims.iat <= now.saturating_add(LEEWAY_SECS)).then_some(claims)
    }
}

struct Signing(Ed25519KeyPair);
struct Verifying(Vec<u8>);

impl Signer<Vec<u8>> for Signing {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for Signing {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

impl Verifier<Vec<u8>> for Verifying {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Verifying {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> JwtResult<Box<dyn JwtSigner>> {
    match (algorithm, key.family()) {
        (Algorithm::EdDSA, AlgorithmFamily::Ed) => {
            let pair = Ed25519KeyPair::from_pkcs8(key.as_bytes()).map_err(|_| ErrorKind::InvalidEddsaKey)?;
            Ok(Box::new(Signing(pair)))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> JwtResult<Box<dyn JwtVerifier>> {
    match (algorithm, key.family()) {
        (Algorithm::EdDSA, AlgorithmFamily::Ed) => Ok(Box::new(Verifying(key.try_get_as_bytes()?.to_vec()))),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

static PROVIDER: CryptoProvider =
    CryptoProvider { signer_factory: signer, verifier_factory: verifier, key_utils: KeyUtils::new_unimplemented() };

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn only_our_own_fresh_tokens_pass() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = Keys::open(&folder.path().join("jwt.key")).expect("makes a key");
        let foreign = Keys::open(&folder.path().join("other.key")).expect("makes a key");
        let again = Keys::open(&folder.path().join("jwt.key")).expect("reads the key");
        let (user, session) = (UserId::from_u64(1), SessionId::from_u64(2));
        let good = keys.sign(user, session, "read".to_owned(), NOW, 900).expect("signs");
        assert_eq!(again.verify(&good, NOW).map(|claims| claims.sid), Some(session));
        assert!(again.verify(&good, NOW + 899_000).is_some());
        assert!(again.verify(&good, NOW + 900_000).is_none(), "expired");
        let parts: Vec<&str> = good.split('.').collect();
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let widened = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).expect("decodes")).expect("is text");
        let widened = encode(&widened.replace("read", "admin"));
        let mut corpus = vec![
            foreign.sign(user, session, "read".to_owned(), NOW, 900).expect("signs"),
            format!("{}.{}.", encode("{\"alg\":\"none\",\"typ\":\"JWT\"}"), parts[1]),
            format!("{}.{}.{}", encode("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"), parts[1], parts[2]),
            format!("{}.{widened}.{}", parts[0], parts[2]),
            format!("{}.{}", parts[0], parts[1]),
            String::new(),
            "..".to_owned(),
            "é.é.é".to_owned(),
        ];
        corpus.extend((0..good.len()).map(|end| good[..end].to_owned()));
        for token in corpus {
            assert!(keys.verify(&token, NOW).is_none(), "{token}");
        }
    }
}

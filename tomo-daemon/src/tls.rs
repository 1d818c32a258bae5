//! The daemon's own CA and the TLS configurations made from it. Only this module and [`crate::hub`] know rustls and rcgen.

use std::{path::Path, sync::Arc};

/// The daemon's CA, with its key. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authority {}

impl Authority {
    /// Makes the CA in a folder (key 0600, create-then-rename).
    ///
    /// # Errors
    /// Names the file and what the system said.
    pub fn create(_folder: &Path) -> anyhow::Result<Self> {
        todo!("tls")
    }

    /// Reads the CA from its folder.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn open(_folder: &Path) -> anyhow::Result<Self> {
        todo!("tls")
    }

    /// SHA-256 of the CA's certificate (DER), hex: what enrolment tokens carry.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        todo!("tls")
    }

    /// TLS for the HTTP side with a certificate for these names and addresses, and the SHA-256 of that certificate (DER), hex,
    /// which clients pin. The certificate is kept in the CA's folder, so that its fingerprint stays while it lasts.
    ///
    /// # Errors
    /// A name does not fit into a certificate, or the files cannot be written.
    pub fn http_config(&self, _names: &[String]) -> anyhow::Result<(Arc<rustls::ServerConfig>, String)> {
        todo!("tls")
    }
}

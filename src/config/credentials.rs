//! The files that say who may read and who we are. They change while the agent runs, as certificates are renewed and
//! tokens are taken away; whoever wants to know that compares their stamps.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::options::Options;
use crate::http::access::tokens::Tokens;
use crate::http::tls::{self, Tls};

/// Where they are.
#[derive(Clone, Debug, Default)]
pub struct Files {
    token_file: Option<PathBuf>,
    /// Certificate and key.
    tls: Option<(PathBuf, PathBuf)>,
    client_ca: Option<PathBuf>,
}

/// What they say.
#[derive(Default)]
pub struct Credentials {
    /// Tokens of which requests must bring one.
    pub tokens: Arc<Tokens>,
    /// The certificate to show, and whose clients' are trusted.
    pub tls: Option<Tls>,
}

/// Which states of the files were read: device, inode, size and times of each; nothing of one that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamps(Vec<Option<[i64; 7]>>);

impl Files {
    /// Those that options name.
    ///
    /// # Errors
    /// Where one is missing that another needs.
    pub fn of(options: &Options) -> Result<Self, String> {
        let tls = match (&options.tls_cert, &options.tls_key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            _ => return Err("tls-cert and tls-key belong together; give both".into()),
        };
        if tls.is_none() && options.tls_client_ca.is_some() {
            return Err("tls-client-ca needs TLS; give tls-cert and tls-key".into());
        }
        Ok(Files { token_file: options.token_file.clone(), tls, client_ca: options.tls_client_ca.clone() })
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.token_file.is_none() && self.tls.is_none()
    }

    /// Whether certificates of clients are asked for.
    pub fn asks_certificate(&self) -> bool {
        self.client_ca.is_some()
    }

    /// Reads them.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn read(&self) -> Result<Credentials, String> {
        let tokens = self.token_file.as_deref().map(Tokens::read).transpose()?.unwrap_or_default();
        let load = |(certificate, key): &(PathBuf, PathBuf)| tls::load(certificate, key, self.client_ca.as_deref());
        Ok(Credentials { tokens: Arc::new(tokens), tls: self.tls.as_ref().map(load).transpose()? })
    }

    /// How they are now.
    pub fn stamps(&self) -> Stamps {
        let of_tls = self.tls.iter().flat_map(|(certificate, key)| [certificate, key]);
        let all = self.token_file.iter().chain(of_tls).chain(&self.client_ca);
        Stamps(all.map(|path| stamp(path)).collect())
    }
}

fn stamp(path: &Path) -> Option<[i64; 7]> {
    let metadata: Metadata = std::fs::metadata(path).ok()?;
    let numbers = [metadata.dev(), metadata.ino(), metadata.size()].map(u64::cast_signed);
    let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
    let mut all = [0; 7];
    all[..3].copy_from_slice(&numbers);
    all[3..].copy_from_slice(&times);
    Some(all)
}

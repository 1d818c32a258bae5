//! First words: enrolment, hello and welcome, and what the daemon says on the control stream afterwards.

use serde::{Deserialize, Serialize};

use crate::{
    api::person::SecretText,
    id::{AgentId, ServerId},
    model::{policy::PolicySummary, server::HostFacts},
    wire::witness::AuditHead,
};

/// What an enrolment token carries, as `tomo-enroll-` and the URL-safe base 64 of its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentToken {
    /// Where the daemon listens for agents, `host:port` each, tried in order.
    pub addresses: Vec<String>,
    /// SHA-256 of the CA's certificate (DER), hex: the agent pins it before it sends anything.
    pub ca_fingerprint: String,
    /// The one-time secret, at least 128 bits.
    pub secret: SecretText,
}

/// Head of an enrolment token's text form.
pub const ENROLMENT_TOKEN_PREFIX: &str = "tomo-enroll-";

/// Why the daemon closes an enrolment connection, beside others, when it takes no more of them from an address now: it is no fault of
/// the token's.
pub const TOO_MANY_ENROLMENTS: &str = "too many enrolments: try again in a minute";

/// Agent → daemon on an enrolment connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrollRequest {
    /// The one-time secret.
    pub secret: SecretText,
    /// Certificate signing request (PEM). Only its key and proof of possession count.
    pub csr_pem: String,
}

/// Daemon → agent on an enrolment connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrollAnswer {
    /// The agent is known from now on.
    Enrolled {
        /// Its id, also in the certificate.
        agent: AgentId,
        /// Server it speaks for.
        server: ServerId,
        /// Name of that server.
        server_name: String,
        /// Its certificate (PEM).
        certificate_pem: String,
        /// The CA that it trusts from now on (PEM).
        ca_pem: String,
    },
    /// It is not.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
}

/// Agent → daemon, first frame of the control stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Oldest link version the agent speaks.
    pub oldest_version: u16,
    /// Newest link version the agent speaks.
    pub newest_version: u16,
    /// Release of the agent.
    pub release: String,
    /// Differs for each start of the agent; numbering of reports begins anew with it.
    pub boot_id: u64,
    /// Facts about the host.
    pub facts: HostFacts,
    /// What the host's policy allows.
    pub policy: PolicySummary,
    /// First report number still in the outbox.
    pub outbox_first: u64,
    /// Number the next new report gets.
    pub outbox_next: u64,
    /// The agent's clock (UTC ms).
    pub clock_ms: u64,
}

/// Daemon → agent, first frame of the control stream's other direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Welcome {
    /// The link stands.
    Accepted {
        /// Link version both use.
        version: u16,
        /// Reports of this boot id up to and including this number are committed; 0 for none.
        acknowledged: u64,
        /// How often to sample from now on.
        interval_ms: u32,
    },
    /// It does not.
    Rejected {
        /// Why, and what to do.
        reason: String,
        /// Whether trying again later makes sense.
        retry: bool,
    },
}

/// Daemon → agent on the control stream, any time after the welcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DaemonNotice {
    /// Reports up to and including this number are committed and can be forgotten.
    Acknowledged {
        /// Report number.
        number: u64,
        /// The audit trail's head, if it is another than the last one told here: the agent keeps it as a witness.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        head: Option<AuditHead>,
    },
    /// Sample this often from now on.
    Interval {
        /// Milliseconds, 200–300 000.
        interval_ms: u32,
    },
    /// A third of the certificate's life is over: the agent makes a new key and sends [`AgentNotice::Renew`].
    RenewalDue,
    /// The certificate for that key. The one in use stays good until this one was used.
    Certificate {
        /// PEM.
        certificate_pem: String,
    },
}

/// Agent → daemon on the control stream, any time after the hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentNotice {
    /// A key to go on with.
    Renew {
        /// Certificate signing request (PEM). Only its key and proof of possession count.
        csr_pem: String,
    },
    /// The host's owner takes the agent off: it does not come back. Answered by the connection's end.
    Leave,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::{decode, encode};

    #[test]
    fn notices_are_these_bytes() {
        let body = encode(&DaemonNotice::Acknowledged { number: 7, head: None }).expect("encodes");
        assert_eq!(body, b"\x01\x81\xacacknowledged\x81\xa6number\x07");
        let witnessed = DaemonNotice::Acknowledged { number: 7, head: Some(AuditHead { seq: 1, ..AuditHead::EMPTY }) };
        let body = encode(&witnessed).expect("encodes");
        let head = b"\x01\x81\xacacknowledged\x82\xa6number\x07\xa4head\xc4\x78\0\0\0\0\0\0\0\x01\0";
        assert!(body.starts_with(head) && body.len() == 31 + AuditHead::BYTES, "{body:?}");
        assert_eq!(decode::<DaemonNotice>(&body).expect("decodes"), witnessed);
        assert_eq!(encode(&DaemonNotice::RenewalDue).expect("encodes"), b"\x01\xabrenewal_due");
        assert_eq!(encode(&AgentNotice::Leave).expect("encodes"), b"\x01\xa5leave");
        let body = encode(&DaemonNotice::Interval { interval_ms: 1000 }).expect("encodes");
        assert_eq!(body, b"\x01\x81\xa8interval\x81\xabinterval_ms\xcd\x03\xe8");
    }

    #[test]
    fn a_field_from_the_future_is_skipped() {
        #[derive(Serialize)]
        #[serde(rename_all = "snake_case")]
        enum Newer {
            Acknowledged { number: u64, shiny: &'static str },
        }
        let body = encode(&Newer::Acknowledged { number: 3, shiny: "new" }).expect("encodes");
        let read: DaemonNotice = decode(&body).expect("decodes");
        assert_eq!(read, DaemonNotice::Acknowledged { number: 3, head: None });
    }
}

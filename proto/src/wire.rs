//! What daemon and agent say to each other over QUIC, and the agent's two halves over a Unix socket ([`seam`]).
//!
//! Every stream carries length-prefixed [`frame`]s. Messages are `MessagePack` maps with field names, so that fields can be
//! added on either side; the rows of a report are delta-coded ([`report`]). The first byte of a message is its
//! encoding's version.
//!
//! | stream | opened by | carries |
//! |---|---|---|
//! | control | agent, first, bidirectional | [`handshake::Hello`] → [`handshake::Welcome`]; then [`handshake::DaemonNotice`] to the agent and [`handshake::AgentNotice`] from it |
//! | report | agent, unidirectional | [`report::Report`] frames |
//! | command | daemon, bidirectional, one each | [`command::CommandRequest`] → [`command::CommandEvent`]…, the last an outcome; a volume in [`archive::Part`]s either way; after [`command::CommandEvent::Send`] also a program, or [`terminal::TerminalInput`], to the agent |
//! | enrolment | agent, bidirectional, own ALPN | [`handshake::EnrollRequest`] → [`handshake::EnrollAnswer`] |

pub mod archive;
pub mod command;
pub mod frame;
pub mod handshake;
pub mod report;
pub mod seam;
pub mod terminal;
pub mod witness;

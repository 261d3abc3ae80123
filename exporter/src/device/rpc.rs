//! ONC RPC version 2: calls without credentials and their replies, and the records in which TCP carries them.
//!
//! Format: RFC 5531 (RPC, record marking in section 11), RFC 4506 (XDR: big-endian words of 4 bytes), RFC 1833
//! (portmapper and rpcbind). No I/O but reading a record from a stream that is given.

use std::fmt;
use std::io::{self, Read};

use thiserror::Error;

/// The program number of NFS.
pub const NFS: u32 = 100_003;
/// That of the portmapper, rpcbind today.
pub const PORTMAPPER: u32 = 100_000;

/// A reply of more bytes is none that was asked for: those to NULL and GETPORT have less than 30, with the
/// longest verifier less than 450.
const MOST_BYTES: usize = 1024;
/// A record of more fragments is not waited for.
const MOST_FRAGMENTS: usize = 64;
/// The longest verifier (RFC 5531, section 8.2).
const MOST_VERIFIER: u32 = 400;
/// The bit of a fragment's header that marks the last one.
const LAST: u32 = 0x8000_0000;

const CALL: u32 = 0;
const REPLY: u32 = 1;
const RPC_VERSION: u32 = 2;

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Procedure {
    /// Program number.
    pub program: u32,
    /// Version of the program.
    pub version: u32,
    /// Procedure number; 0 does nothing, in every program.
    pub number: u32,
}

/// What a server says to a call. All of them mean that it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of RFC 5531")]
pub enum Verdict {
    Success,
    ProgramUnavailable,
    ProgramMismatch {
        low: u32,
        high: u32,
    },
    ProcedureUnavailable,
    GarbageArguments,
    SystemError,
    RpcMismatch {
        low: u32,
        high: u32,
    },
    /// The number is that of `enum auth_stat`.
    AuthError(u32),
}

impl Verdict {
    /// In one word, for a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ProgramUnavailable => "program_unavailable",
            Self::ProgramMismatch { .. } => "program_mismatch",
            Self::ProcedureUnavailable => "procedure_unavailable",
            Self::GarbageArguments => "garbage_arguments",
            Self::SystemError => "system_error",
            Self::RpcMismatch { .. } => "rpc_mismatch",
            Self::AuthError(_) => "auth_error",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProgramMismatch { low, high } => {
                write!(f, "it serves versions {low} to {high} only")
            }
            Self::RpcMismatch { low, high } => write!(f, "it speaks RPC {low} to {high} only"),
            Self::AuthError(number) => write!(f, "it wants other credentials (auth_stat {number})"),
            other => f.write_str(other.name()),
        }
    }
}

/// A well-formed reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'m> {
    /// What it says.
    pub verdict: Verdict,
    /// After a success what the procedure returned, as XDR; else nothing.
    pub results: &'m [u8],
}

/// Why bytes are no reply.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NoReply {
    /// They end too early.
    #[error("it ends before it is complete")]
    Truncated,
    /// They are a message of another kind.
    #[error("it is no reply (message type {0})")]
    OtherKind(u32),
    /// They answer another call.
    #[error("it answers another call")]
    OtherCall,
    /// A field has a value that RFC 5531 does not know.
    #[error("it has an unknown {field} ({value})")]
    Unknown {
        /// Which.
        field: &'static str,
        /// What it says.
        value: u32,
    },
}

/// Why no record came.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The stream failed, or its deadline passed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The record is longer than any reply.
    #[error("it begins a record of more than {MOST_BYTES} bytes or {MOST_FRAGMENTS} fragments")]
    TooLong,
}

/// A call as one message, with no credentials (AUTH_NONE).
pub fn call(xid: u32, procedure: Procedure, arguments: &[u8]) -> Vec<u8> {
    let Procedure {
        program,
        version,
        number,
    } = procedure;
    let head = [xid, CALL, RPC_VERSION, program, version, number, 0, 0, 0, 0];
    let mut message: Vec<u8> = head.iter().flat_map(|word| word.to_be_bytes()).collect();
    message.extend_from_slice(arguments);
    message
}

/// A message as one record of a stream.
pub fn record(message: &[u8]) -> Vec<u8> {
    // What is sent here has some dozens of bytes.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX) & !LAST;
    let mut record = (LAST | length).to_be_bytes().to_vec();
    record.extend_from_slice(message);
    record
}

/// Reads one record. Whoever gives the stream sees to it that its reads end.
pub fn read_record(stream: &mut impl Read) -> Result<Vec<u8>, RecordError> {
    let mut message = Vec::new();
    for _ in 0..MOST_FRAGMENTS {
        let mut header = [0; 4];
        stream.read_exact(&mut header)?;
        let header = u32::from_be_bytes(header);
        let length = (header & !LAST) as usize;
        let began = message.len();
        if length > MOST_BYTES - began {
            return Err(RecordError::TooLong);
        }
        message.resize(began + length, 0);
        stream.read_exact(&mut message[began..])?;
        if header & LAST != 0 {
            return Ok(message);
        }
    }
    Err(RecordError::TooLong)
}

/// Understands the reply to the call with this number.
pub fn parse_reply(message: &[u8], xid: u32) -> Result<Reply<'_>, NoReply> {
    let mut rest = message;
    let theirs = word(&mut rest)?;
    match word(&mut rest)? {
        REPLY => {}
        other => return Err(NoReply::OtherKind(other)),
    }
    if theirs != xid {
        return Err(NoReply::OtherCall);
    }
    let unknown = |field, value| NoReply::Unknown { field, value };
    let verdict = match word(&mut rest)? {
        0 => {
            let _flavor = word(&mut rest)?;
            let length = word(&mut rest)?;
            if length > MOST_VERIFIER {
                return Err(unknown("length of the verifier", length));
            }
            let padded = length.next_multiple_of(4) as usize;
            rest = rest.get(padded..).ok_or(NoReply::Truncated)?;
            match word(&mut rest)? {
                0 => {
                    return Ok(Reply {
                        verdict: Verdict::Success,
                        results: rest,
                    });
                }
                1 => Verdict::ProgramUnavailable,
                2 => Verdict::ProgramMismatch {
                    low: word(&mut rest)?,
                    high: word(&mut rest)?,
                },
                3 => Verdict::ProcedureUnavailable,
                4 => Verdict::GarbageArguments,
                5 => Verdict::SystemError,
                other => return Err(unknown("accept_stat", other)),
            }
        }
        1 => match word(&mut rest)? {
            0 => Verdict::RpcMismatch {
                low: word(&mut rest)?,
                high: word(&mut rest)?,
            },
            1 => Verdict::AuthError(word(&mut rest)?),
            other => return Err(unknown("reject_stat", other)),
        },
        other => return Err(unknown("reply_stat", other)),
    };
    Ok(Reply {
        verdict,
        results: &[],
    })
}

/// Takes a word of 4 bytes.
fn word(rest: &mut &[u8]) -> Result<u32, NoReply> {
    let (first, after) = rest.split_first_chunk().ok_or(NoReply::Truncated)?;
    *rest = after;
    Ok(u32::from_be_bytes(*first))
}

/// The question where a program is served: the procedure and its arguments. `netid` is `tcp`, `udp`, `tcp6` or
/// `udp6`. IPv4 is asked in version 2, which every portmapper speaks; IPv6 needs rpcbind's version 4.
pub fn ask_port(program: u32, version: u32, netid: &str) -> (Procedure, Vec<u8>) {
    let of_protocol = |number: u32| {
        let words = [program, version, number, 0];
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    };
    let procedure = |version| Procedure {
        program: PORTMAPPER,
        version,
        number: 3,
    };
    match netid {
        "tcp" => (procedure(2), of_protocol(6)),
        "udp" => (procedure(2), of_protocol(17)),
        _ => {
            let mut arguments: Vec<u8> = [program, version]
                .iter()
                .flat_map(|word| word.to_be_bytes())
                .collect();
            for text in [netid, "", ""] {
                push_string(&mut arguments, text);
            }
            (procedure(4), arguments)
        }
    }
}

fn push_string(arguments: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    arguments.extend_from_slice(&length.to_be_bytes());
    arguments.extend_from_slice(text.as_bytes());
    arguments.resize(arguments.len().next_multiple_of(4), 0);
}

/// The port in the answer to [`ask_port`]; `None` when the program is not registered.
pub fn port(version: u32, results: &[u8]) -> Result<Option<u16>, NoReply> {
    let mut rest = results;
    let first = word(&mut rest)?;
    let port = if version == 2 {
        let unknown = NoReply::Unknown {
            field: "port",
            value: first,
        };
        u16::try_from(first).map_err(|_| unknown)?
    } else {
        // A universal address ends in the port's two bytes: `192.0.2.7.8.1` is port 2049.
        let text = rest.get(..first as usize).ok_or(NoReply::Truncated)?;
        if text.is_empty() {
            return Ok(None);
        }
        let unknown = NoReply::Unknown {
            field: "address, of this length",
            value: first,
        };
        let mut parts = text.rsplit(|b| *b == b'.').map(|part| {
            let text = std::str::from_utf8(part).ok()?;
            text.parse::<u8>().ok()
        });
        let (Some(Some(low)), Some(Some(high))) = (parts.next(), parts.next()) else {
            return Err(unknown);
        };
        u16::from_be_bytes([high, low])
    };
    Ok((port != 0).then_some(port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn a_call_as_rfc_5531_writes_it() {
        let null = Procedure {
            program: NFS,
            version: 4,
            number: 0,
        };
        let message = call(7, null, &[]);
        assert_eq!(message, words(&[7, 0, 2, 100_003, 4, 0, 0, 0, 0, 0]));
        let record = record(&message);
        assert_eq!(record[..4], [0x80, 0, 0, 40]);
        assert_eq!(read_record(&mut record.as_slice()).unwrap(), message);
    }

    #[test]
    fn where_a_program_is_served() {
        let (procedure, arguments) = ask_port(NFS, 3, "tcp");
        assert_eq!((procedure.version, procedure.number), (2, 3));
        assert_eq!(arguments, words(&[100_003, 3, 6, 0]));
        let (procedure, arguments) = ask_port(NFS, 3, "udp6");
        assert_eq!(procedure.version, 4);
        let mut expected = words(&[100_003, 3, 4]);
        expected.extend_from_slice(b"udp6");
        expected.extend(words(&[0, 0]));
        assert_eq!(arguments, expected);

        assert_eq!(port(2, &words(&[2049])), Ok(Some(2049)));
        assert_eq!(port(2, &words(&[0])), Ok(None));
        assert!(port(2, &words(&[65_536])).is_err());
        let of_address = |text: &str| {
            let mut results = Vec::new();
            push_string(&mut results, text);
            port(4, &results)
        };
        assert_eq!(of_address("::1.8.1"), Ok(Some(2049)));
        assert_eq!(of_address("192.0.2.7.8.1"), Ok(Some(2049)));
        assert_eq!(of_address(""), Ok(None));
        for wrong in ["::1.8.256", "8", "1..", "1.-1.2"] {
            assert!(of_address(wrong).is_err(), "{wrong}");
        }
        assert_eq!(port(4, &words(&[400, 0])), Err(NoReply::Truncated));
    }

    #[test]
    fn a_verifier_is_passed_over_and_its_length_is_bounded() {
        let mut reply = words(&[9, 1, 0, 1, 5]);
        reply.extend_from_slice(b"hello\0\0\0");
        reply.extend(words(&[0, 2049]));
        let read = parse_reply(&reply, 9).unwrap();
        assert_eq!(
            (read.verdict, read.results),
            (Verdict::Success, &words(&[2049])[..])
        );
        let endless = words(&[9, 1, 0, 0, u32::MAX]);
        assert!(parse_reply(&endless, 9).is_err());
        let beyond = words(&[9, 1, 0, 0, 400, 0]);
        assert_eq!(parse_reply(&beyond, 9), Err(NoReply::Truncated));
    }

    #[test]
    fn a_record_takes_no_more_memory_than_a_reply_may() {
        let endless = words(&[0x7FFF_FFFF]);
        let error = read_record(&mut endless.as_slice()).unwrap_err();
        assert!(matches!(error, RecordError::TooLong));
        // Fragments that add up to more.
        let mut many = Vec::new();
        for _ in 0..3 {
            many.extend(words(&[500]));
            many.resize(many.len() + 500, 0);
        }
        let error = read_record(&mut many.as_slice()).unwrap_err();
        assert!(matches!(error, RecordError::TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), xid: u32) {
            let _ = parse_reply(&bytes, xid);
            let _ = port(2, &bytes);
            let _ = port(4, &bytes);
            if let Ok(record) = read_record(&mut bytes.as_slice()) {
                prop_assert!(record.len() <= bytes.len());
            }
        }

        /// However a message is cut into fragments, it is the same.
        #[test]
        fn fragments_join(message in proptest::collection::vec(any::<u8>(), 1..600), size in 16usize..700) {
            let parts = message.chunks(size).count();
            let mut stream = Vec::new();
            for (index, part) in message.chunks(size).enumerate() {
                let last = if index + 1 == parts { LAST } else { 0 };
                stream.extend(words(&[last | u32::try_from(part.len()).unwrap()]));
                stream.extend_from_slice(part);
            }
            prop_assert_eq!(read_record(&mut stream.as_slice()).unwrap(), message);
        }

        /// Every answer is read as it was written, and cut short it is none.
        #[test]
        fn every_answer_is_read(xid: u32, low: u32, high: u32, which in 0usize..8, cut in 1usize..4) {
            let (reply, expected) = match which {
                0 => (vec![1, 0, 0, 0, 0], Verdict::Success),
                1 => (vec![1, 0, 0, 0, 1], Verdict::ProgramUnavailable),
                2 => (vec![1, 0, 0, 0, 2, low, high], Verdict::ProgramMismatch { low, high }),
                3 => (vec![1, 0, 0, 0, 3], Verdict::ProcedureUnavailable),
                4 => (vec![1, 0, 0, 0, 4], Verdict::GarbageArguments),
                5 => (vec![1, 0, 0, 0, 5], Verdict::SystemError),
                6 => (vec![1, 1, 0, low, high], Verdict::RpcMismatch { low, high }),
                _ => (vec![1, 1, 1, low], Verdict::AuthError(low)),
            };
            let message = words(&[vec![xid], reply].concat());
            prop_assert_eq!(parse_reply(&message, xid).unwrap().verdict, expected);
            prop_assert_eq!(parse_reply(&message, !xid), Err(NoReply::OtherCall));
            let short = &message[..message.len() - cut];
            prop_assert_eq!(parse_reply(short, xid), Err(NoReply::Truncated));
        }
    }
}

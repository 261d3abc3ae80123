//! What an NFS server or a portmapper may send: a record is no longer than it may be, and a reply is one to the call.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegauge_exporter::device::rpc::{NoReply, parse_reply, port, read_record};

fuzz_target!(|content: &[u8]| {
    let mut stream = content;
    let Ok(message) = read_record(&mut stream) else {
        return;
    };
    assert!(message.len() <= 1024 && message.len() + stream.len() < content.len());
    let xid = message
        .first_chunk()
        .map_or(7, |word| u32::from_be_bytes(*word));
    if let Ok(reply) = parse_reply(&message, xid) {
        assert_eq!(parse_reply(&message, !xid), Err(NoReply::OtherCall));
        assert!(message.ends_with(reply.results));
        let _ = port(2, reply.results);
        let _ = port(4, reply.results);
    }
});

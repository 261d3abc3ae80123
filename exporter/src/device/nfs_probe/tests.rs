//! Against servers on loopback that answer well, badly, slowly, too much or not at all.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use proptest::prelude::*;

use super::*;

/// Long: only a server that never answers makes a test wait, and it is given little.
const LIMIT: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(150);

fn target(port: u16, versions: &[u32]) -> Target {
    Target {
        address: (Ipv4Addr::LOCALHOST, port).into(),
        asks_portmapper: false,
        protocol: Protocol::Tcp,
        versions: versions.to_vec(),
    }
}

fn ask(target: &Target, limit: Duration) -> Result<Reached, ProbeError> {
    Network { portmapper: 1 }.ask(target, limit)
}

/// A server of one connection, which `serve` has.
fn serve(serve: impl FnOnce(TcpStream) + Send + 'static) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || serve(listener.accept().unwrap().0));
    (port, thread)
}

/// Takes a call: its number, program and version.
fn take_call(stream: &mut TcpStream) -> [u32; 3] {
    let message = rpc::read_record(stream).unwrap();
    let words: Vec<u32> = message
        .chunks(4)
        .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
        .collect();
    assert_eq!((words[1], words[2]), (0, 2), "a call of RPC 2");
    assert!(words[6..10].iter().all(|word| *word == 0), "no credentials");
    [words[0], words[3], words[4]]
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Answers every call with what follows the number of the call.
fn answers(with: &'static [u32], calls: usize) -> (u16, JoinHandle<()>) {
    serve(move |mut stream| {
        for _ in 0..calls {
            let [xid, ..] = take_call(&mut stream);
            let reply = [&[xid], with].concat();
            stream.write_all(&rpc::record(&words(&reply))).unwrap();
        }
    })
}

/// A port at which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn every_version_is_called_over_one_connection() {
    let (port, thread) = answers(&[1, 0, 0, 0, 0], 2);
    let reached = ask(&target(port, &[3, 4]), LIMIT).unwrap();
    let found: Vec<_> = reached.calls.iter().map(|(v, a, _)| (*v, *a)).collect();
    assert_eq!(found, [(3, Verdict::Success), (4, Verdict::Success)]);
    assert!(reached.connect.is_some());
    thread.join().unwrap();
}

#[test]
fn any_answer_of_rpc_is_one() {
    for (reply, expected) in [
        (&[1, 0, 0, 0, 1][..], Verdict::ProgramUnavailable),
        (
            &[1, 0, 0, 0, 2, 3, 3],
            Verdict::ProgramMismatch { low: 3, high: 3 },
        ),
        (&[1, 0, 0, 0, 5], Verdict::SystemError),
        (&[1, 1, 0, 2, 2], Verdict::RpcMismatch { low: 2, high: 2 }),
        (&[1, 1, 1, 5], Verdict::AuthError(5)),
    ] {
        let (port, thread) = answers(reply, 1);
        let reached = ask(&target(port, &[4]), LIMIT).unwrap();
        assert_eq!(reached.calls[0].1, expected);
        thread.join().unwrap();
    }
}

#[test]
fn an_answer_byte_by_byte_in_fragments_is_one() {
    let (port, thread) = serve(|mut stream| {
        stream.set_nodelay(true).unwrap();
        let [xid, ..] = take_call(&mut stream);
        let message = words(&[xid, 1, 0, 0, 4, 0x0102_0304, 0]);
        for (index, part) in message.chunks(5).enumerate() {
            let last = u32::from(index == message.len() / 5) << 31;
            let length = u32::try_from(part.len()).unwrap();
            for byte in words(&[last | length]).iter().chain(part) {
                stream.write_all(&[*byte]).unwrap();
            }
        }
    });
    let reached = ask(&target(port, &[3]), LIMIT).unwrap();
    assert_eq!(reached.calls[0].1, Verdict::Success);
    thread.join().unwrap();
}

#[test]
fn what_is_no_answer_is_none() {
    type Serve = fn(TcpStream, u32);
    let cases: [(&str, Serve); 7] = [
        ("it answers another call", |mut s, xid| {
            let reply = words(&[xid ^ 1, 1, 0, 0, 0, 0]);
            s.write_all(&rpc::record(&reply)).unwrap();
        }),
        ("message type 0", |mut s, xid| {
            s.write_all(&rpc::record(&words(&[xid, 0, 2, 100_003, 4, 0])))
                .unwrap();
        }),
        ("more than 1024 bytes", |mut s, _| {
            // A web server's words as a record's header.
            s.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        }),
        ("64 fragments", |mut s, _| {
            let _ = s.write_all(&[0; 4096]);
        }),
        ("before it is complete", |mut s, xid| {
            s.write_all(&rpc::record(&words(&[xid, 1, 0]))).unwrap();
        }),
        ("unknown accept_stat (9)", |mut s, xid| {
            s.write_all(&rpc::record(&words(&[xid, 1, 0, 0, 0, 9])))
                .unwrap();
        }),
        ("failed to fill whole buffer", |mut s, _| {
            s.write_all(&words(&[0x8000_0018])).unwrap();
        }),
    ];
    for (expected, answer) in cases {
        let (port, thread) = serve(move |mut stream| {
            let [xid, ..] = take_call(&mut stream);
            answer(stream, xid);
        });
        let error = ask(&target(port, &[4]), LIMIT).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!matches!(error, ProbeError::Late { .. }), "{error}");
        thread.join().unwrap();
    }
}

#[test]
fn silence_ends_at_the_deadline() {
    // Nobody accepts, but the kernel does: a server whose threads are stuck.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let began = Instant::now();
    let error = ask(&target(port, &[4]), SHORT).unwrap_err();
    assert!(
        matches!(
            error,
            ProbeError::Late {
                doing: "calling it"
            }
        ),
        "{error}"
    );
    assert!(began.elapsed() >= SHORT && began.elapsed() < LIMIT);
}

/// Each byte comes in time for a time-out of one read, and the whole never does.
#[test]
fn a_trickle_ends_at_the_deadline() {
    let (tell, told): (_, Receiver<()>) = channel();
    let (port, thread) = serve(move |mut stream| {
        take_call(&mut stream);
        stream.set_nodelay(true).unwrap();
        for byte in words(&[0x8000_0018]).into_iter().chain([0; 24]) {
            let pause = told.recv_timeout(SHORT / 4);
            if pause != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                return;
            }
            let _ = stream.write_all(&[byte]);
        }
    });
    let error = ask(&target(port, &[4]), SHORT).unwrap_err();
    assert!(matches!(error, ProbeError::Late { .. }), "{error}");
    drop(tell);
    thread.join().unwrap();
}

#[test]
fn a_refusal_is_told_at_once() {
    let error = ask(&target(closed_port(), &[4]), LIMIT).unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    let mut udp = target(closed_port(), &[3]);
    udp.protocol = Protocol::Udp;
    let error = ask(&udp, LIMIT).unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    udp.protocol = Protocol::Rdma;
    let error = ask(&udp, LIMIT).unwrap_err();
    assert!(matches!(error, ProbeError::Unsupported));
}

#[test]
fn over_udp_what_is_lost_is_sent_again_and_what_is_late_is_passed_over() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut udp = target(socket.local_addr().unwrap().port(), &[3]);
    udp.protocol = Protocol::Udp;
    let thread = std::thread::spawn(move || {
        let mut buffer = [0; 256];
        let (length, _) = socket.recv_from(&mut buffer).unwrap();
        let first = buffer[..length].to_vec();
        // The first call is lost; the second is the same.
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!(first, buffer[..length]);
        let xid = u32::from_be_bytes(first[..4].try_into().unwrap());
        for xid in [xid ^ 7, xid] {
            let reply = words(&[xid, 1, 0, 0, 0, 0]);
            socket.send_to(&reply, from).unwrap();
        }
    });
    let reached = ask(&udp, LIMIT).unwrap();
    assert_eq!(
        (reached.connect, reached.calls[0].1),
        (None, Verdict::Success)
    );
    thread.join().unwrap();
}

#[test]
fn the_portmapper_tells_another_port() {
    let (nfs, first) = answers(&[1, 0, 0, 0, 0], 1);
    let (portmapper, second) = serve(move |mut stream| {
        let [xid, program, version] = take_call(&mut stream);
        assert_eq!((program, version), (rpc::PORTMAPPER, 2));
        let reply = words(&[xid, 1, 0, 0, 0, 0, nfs.into()]);
        stream.write_all(&rpc::record(&reply)).unwrap();
    });
    let mut target = target(closed_port(), &[3]);
    target.asks_portmapper = true;
    let reached = Network { portmapper }.ask(&target, LIMIT).unwrap();
    assert_eq!(reached.calls[0].1, Verdict::Success);
    first.join().unwrap();
    second.join().unwrap();
}

#[test]
fn a_portmapper_that_knows_nothing_leaves_the_refusal() {
    let (silent, _keeps) = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        (listener.local_addr().unwrap().port(), listener)
    };
    let (unregistered, thread) = answers(&[1, 0, 0, 0, 0, 0], 1);
    for portmapper in [closed_port(), unregistered, silent] {
        let mut target = target(closed_port(), &[3]);
        target.asks_portmapper = true;
        let limit = if portmapper == silent { SHORT } else { LIMIT };
        let error = Network { portmapper }.ask(&target, limit).unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }
    thread.join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever it sends before it hangs up: an answer or an error, never a wait.
    #[test]
    fn any_bytes_of_a_server_end_the_call(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (port, thread) = serve(move |mut stream| {
            take_call(&mut stream);
            let _ = stream.write_all(&bytes);
        });
        let result = ask(&target(port, &[4]), LIMIT);
        let waited = matches!(result, Err(ProbeError::Late { .. }));
        prop_assert!(!waited);
        thread.join().unwrap();
    }
}

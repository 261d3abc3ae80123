//! A port before the NFS server that can fall silent: the kernel goes on taking connections and packets, and
//! nothing comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const LOOK: Duration = Duration::from_millis(20);

/// Open until it is dropped.
pub struct Relay {
    port: u16,
    paused: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
}

impl Relay {
    /// Before the server on this machine.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (paused, closed) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let state = (Arc::clone(&paused), Arc::clone(&closed));
        listener.set_nonblocking(true).unwrap();
        thread::spawn(move || {
            let (paused, closed) = state;
            while !closed.load(Ordering::Relaxed) {
                let waits = paused.load(Ordering::Relaxed);
                match listener.accept() {
                    Ok((client, _)) if !waits => join(client, &paused, &closed),
                    // Taken and forgotten about, but not closed.
                    Ok((client, _)) => std::mem::forget(client),
                    Err(_) => thread::sleep(LOOK),
                }
            }
        });
        Self {
            port,
            paused,
            closed,
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on nothing comes through.
    pub fn pause(&self) {
        self.paused.store(true, Ordering::Relaxed);
    }

    /// All goes on, what was held back too.
    pub fn resume(&self) {
        self.paused.store(false, Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.resume();
        self.closed.store(true, Ordering::Relaxed);
    }
}

fn join(client: TcpStream, paused: &Arc<AtomicBool>, closed: &Arc<AtomicBool>) {
    // No server: the client's connection ends.
    let Ok(server) = TcpStream::connect("127.0.0.1:2049") else {
        return;
    };
    let ways = [
        (client.try_clone().unwrap(), server.try_clone().unwrap()),
        (server, client),
    ];
    for (from, to) in ways {
        let state = (Arc::clone(paused), Arc::clone(closed));
        from.set_nonblocking(false).unwrap();
        from.set_read_timeout(Some(LOOK)).unwrap();
        thread::spawn(move || carry(from, to, &state.0, &state.1));
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, paused: &AtomicBool, closed: &AtomicBool) {
    let mut buffer = vec![0; 1 << 18];
    while !closed.load(Ordering::Relaxed) {
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                continue;
            }
            Err(_) => break,
        };
        while paused.load(Ordering::Relaxed) {
            thread::sleep(LOOK);
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

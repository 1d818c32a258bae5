//! A way to a host that a test can cut.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// How a relay stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Whoever comes is led on; connections of an earlier number have ended.
    Open(u32),
    /// Nobody gets through.
    Closed,
}

/// Passes connections to a free port of this machine on to a host. Ends when dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    way: watch::Sender<Way>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Listens on loopback for what is to go to an address.
    ///
    /// # Panics
    /// No port is free.
    pub async fn to(host: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("an address");
        let way = watch::Sender::new(Way::Open(0));
        let connections = Arc::new(AtomicUsize::new(0));
        let (standing, counted) = (way.clone(), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut way = standing.subscribe();
                if *way.borrow_and_update() == Way::Closed {
                    continue;
                }
                tokio::spawn(async move {
                    tokio::select! {
                        () = pass_on(stream, host) => {}
                        changed = way.changed() => drop(changed),
                    }
                });
            }
        });
        Self { address, way, connections, task }
    }

    /// Its port on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many have come, whether or not they got through.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Ends what goes through it; whoever comes afterwards is led on.
    pub fn cut(&self) {
        self.way
            .send_modify(|way| *way = if let Way::Open(number) = *way { Way::Open(number + 1) } else { Way::Open(0) });
    }

    /// Ends what goes through it, and lets nobody through any more until [`Self::cut`].
    pub fn close(&self) {
        self.way.send_replace(Way::Closed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass_on(mut from: TcpStream, host: SocketAddr) {
    if let Ok(mut to) = TcpStream::connect(host).await {
        // Either side may go at any time.
        drop(tokio::io::copy_bidirectional(&mut from, &mut to).await);
    }
}

//! Findings over a Unix socket, one JSON object a line.
//!
//! Goes in: a client's first line, a [`Request`]. Comes out: findings, and `auditor.tail/v1`
//! records that say what was dropped or why the client is cut off. Only root, the daemon's own
//! user and members of the socket's group are answered; the file mode says so first, the
//! credentials of the peer second.

use std::fs::{self, File, OpenOptions, Permissions};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::filter::{Matcher, Request};
use super::hub::{Hub, Queue};

/// `schema` of the records that are no findings.
pub const SCHEMA: &str = "auditor.tail/v1";
/// Longest first line, bytes.
const REQUEST_LIMIT: u64 = 8 * 1024;
/// Bytes of the masking ledger that a client has to take within its patience.
const CHUNK: usize = 256 * 1024;
const ONE_REQUEST: &str = "one request a connection: close it and connect again";
/// Longest path of a Unix socket on Linux (sun_path without its end), bytes.
const PATH_LIMIT: usize = 107;

/// What a client may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Clients served at once.
    pub clients: usize,
    /// Time a client has for its first line, and to take each batch.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 64,
            patience: Duration::from_secs(10),
        }
    }
}

/// Why the socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("another auditor is listening on {0}: stop it or set serve.socket")]
    Taken(PathBuf),
    #[error("{0} is in the way and is no socket: remove it or set serve.socket")]
    NotASocket(PathBuf),
    #[error("the socket path {0} is longer than a Unix socket allows: set a shorter serve.socket")]
    TooLong(PathBuf),
    #[error("cannot open the socket {0}: {1}; make its folder writable or set serve.socket")]
    Other(PathBuf, #[source] io::Error),
}

/// The socket; its file goes away when this is dropped.
pub struct Listener {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
    /// Who else may ask, beside root: owner and group of the socket file.
    owner: u32,
    group: u32,
    /// Held as long as this daemon lives: says that the socket file is not stale.
    _lock: File,
}

impl Listener {
    /// Opens the socket with mode 0660. A socket file nobody listens on is replaced; the file
    /// appears under its name only once its mode is set. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When another auditor listens there, something else is in the way, or the folder cannot be
    /// made or written.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let other = |error| BindError::Other(path.to_owned(), error);
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(other)?;
        let new = folder.join(format!(".{}.new", std::process::id()));
        if path.as_os_str().len().max(new.as_os_str().len()) > PATH_LIMIT {
            return Err(BindError::TooLong(path.to_owned()));
        }
        let lock = lock(path)?;
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.file_type().is_socket() => {
                return Err(BindError::NotASocket(path.to_owned()));
            }
            // Somebody listens without holding the lock: an auditor whose lock file was removed.
            Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
                return Err(BindError::Taken(path.to_owned()));
            }
            Ok(_) => (),
            Err(error) if error.kind() == ErrorKind::NotFound => (),
            Err(error) => return Err(other(error)),
        }
        let _ = fs::remove_file(&new);
        let listener = UnixListener::bind(&new).map_err(other)?;
        let placed =
            fs::set_permissions(&new, Permissions::from_mode(0o660)).and_then(|()| fs::rename(&new, path));
        if let Err(error) = placed {
            let _ = fs::remove_file(&new);
            return Err(other(error));
        }
        let metadata = fs::symlink_metadata(path).map_err(other)?;
        let (inode, owner, group) = (metadata.ino(), metadata.uid(), metadata.gid());
        Ok(Self {
            listener,
            path: path.to_owned(),
            inode,
            owner,
            group,
            _lock: lock,
        })
    }

    /// Serves clients until `shutdown` is ready.
    pub async fn serve(self, hub: Arc<Hub>, limits: Limits, shutdown: impl Future<Output = ()>) {
        let slots = Arc::new(Semaphore::new(limits.clients.max(1)));
        let mut clients = tokio::task::JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => return,
                Some(_) = clients.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors: wait for some to be closed.
                    tracing::debug!(%error, "cannot accept a client");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            if let Err(reason) = self.admit(&stream) {
                refuse(&stream, &reason);
            } else if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
                let hub = Arc::clone(&hub);
                clients.spawn(async move {
                    let _slot = slot;
                    client(stream, hub, limits.patience).await;
                });
            } else {
                refuse(&stream, "too many clients: try again when one has left");
            }
        }
    }

    fn admit(&self, stream: &UnixStream) -> Result<(), String> {
        let peer = stream
            .peer_cred()
            .map_err(|error| format!("your credentials cannot be read: {error}"))?;
        if may_ask(&peer, self.owner, self.group, groups_of(peer.pid())) {
            return Ok(());
        }
        Err(format!(
            "user {} may not read findings: be root or join the group of the socket ({})",
            peer.uid(),
            self.group
        ))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Only our own: another one may have taken the name since.
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The lock is a file of its own, because a socket cannot be locked; it stays behind, empty.
fn lock(path: &Path) -> Result<File, BindError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let open = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(PathBuf::from(name));
    let file = open.map_err(|error| BindError::Other(path.to_owned(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(BindError::Taken(path.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(BindError::Other(path.to_owned(), error)),
    }
}

fn may_ask(peer: &UCred, owner: u32, group: u32, groups: impl FnOnce() -> Vec<u32>) -> bool {
    peer.uid() == 0 || peer.uid() == owner || peer.gid() == group || groups().contains(&group)
}

/// The supplementary groups of a process, which SO_PEERCRED does not tell. The process id may have
/// been taken over since: the file mode has already kept others out.
fn groups_of(pid: Option<i32>) -> impl FnOnce() -> Vec<u32> {
    move || {
        let status = pid
            .and_then(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok())
            .unwrap_or_default();
        let groups = status
            .lines()
            .find_map(|line| line.strip_prefix("Groups:"))
            .unwrap_or_default();
        groups
            .split_whitespace()
            .filter_map(|group| group.parse().ok())
            .collect()
    }
}

/// One line that says why, as far as the socket takes it without waiting.
fn refuse(stream: &UnixStream, reason: &str) {
    let _ = stream.try_write(error_line(reason).as_bytes());
}

fn error_line(reason: &str) -> String {
    format!("{}\n", json!({"schema": SCHEMA, "error": reason}))
}

async fn client(stream: UnixStream, hub: Arc<Hub>, patience: Duration) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read.take(REQUEST_LIMIT));
    let request = match timeout(patience, first_line(&mut read)).await {
        Ok(Ok(_)) if !read.buffer().is_empty() => Err(ONE_REQUEST.to_owned()),
        Ok(request) => request,
        Err(_) => Err("no request came: send one JSON object and a line feed".to_owned()),
    };
    if request.as_ref().is_ok_and(|request| request.masking) {
        ledger(hub, &mut write, patience).await;
        return;
    }
    let subscribed = request.and_then(|request| {
        let matcher = Matcher::new(request.filters).map_err(|error| error.to_string())?;
        Ok((
            hub.subscribe(matcher, request.last, request.follow),
            request.follow,
        ))
    });
    let (queue, follow) = match subscribed {
        Ok(subscribed) => subscribed,
        Err(reason) => {
            let _ = timeout(patience, write.write_all(error_line(&reason).as_bytes())).await;
            return;
        }
    };
    if send(&queue, &mut write, patience).await.is_err() || !follow {
        return;
    }
    let mut rest = read.into_inner().into_inner();
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            () = queue.ready() => {
                if send(&queue, &mut write, patience).await.is_err() {
                    return;
                }
            }
            // A client has nothing more to say; that it left is all there is to hear.
            read = rest.read(&mut ignored) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    let reason = error_line(ONE_REQUEST);
                    let _ = timeout(patience, write.write_all(reason.as_bytes())).await;
                    return;
                }
            }
        }
    }
}

/// Sends the masking ledger, which is put together where it holds nobody up.
async fn ledger(hub: Arc<Hub>, write: &mut (impl tokio::io::AsyncWrite + Unpin), patience: Duration) {
    let lines = tokio::task::spawn_blocking(move || {
        let snapshot = hub.ledger()?;
        let mut lines = Vec::new();
        snapshot.write(&mut lines).ok()?;
        Some(lines)
    });
    let lines = match lines.await {
        Ok(Some(lines)) => lines,
        _ => error_line("there is no masking ledger, or not yet").into_bytes(),
    };
    for chunk in lines.chunks(CHUNK) {
        if !matches!(timeout(patience, write.write_all(chunk)).await, Ok(Ok(()))) {
            return;
        }
    }
}

async fn first_line<R: tokio::io::AsyncRead + Unpin>(read: &mut BufReader<R>) -> Result<Request, String> {
    let mut line = Vec::new();
    read.read_until(b'\n', &mut line)
        .await
        .map_err(|error| format!("the request cannot be read: {error}"))?;
    if line.last() != Some(&b'\n') {
        return Err(match line.len() as u64 {
            REQUEST_LIMIT.. => format!("the request is longer than {REQUEST_LIMIT} bytes"),
            _ => "the request does not end with a line feed".to_owned(),
        });
    }
    Request::read(&line)
}

async fn send(
    queue: &Queue,
    write: &mut (impl tokio::io::AsyncWrite + Unpin),
    patience: Duration,
) -> io::Result<()> {
    let batch = queue.take();
    let mut text = String::new();
    if batch.dropped > 0 {
        text = format!("{}\n", json!({"schema": SCHEMA, "dropped": batch.dropped}));
    }
    for line in batch.lines {
        text.push_str(&line);
        text.push('\n');
    }
    timeout(patience, write.write_all(text.as_bytes())).await?
}

#[cfg(test)]
mod tests;

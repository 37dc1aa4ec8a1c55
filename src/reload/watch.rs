//! Notices that the configuration file has changed.
//!
//! The folder is watched, not the file: editors replace files by renaming, and Kubernetes swaps a link beside it. Only
//! what ends a write counts (created, renamed, closed after writing), since reading the file makes events too; then a
//! moment of quiet is waited for, and the pipeline compares the content's hash. A slow poll stands behind it all, for
//! file systems that tell nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::Reload;
use crate::engine::policy::PolicyTrigger;

/// Quiet that must follow a change: an editor's several steps are one change.
const QUIET: Duration = Duration::from_millis(200);
/// How often the file is looked at although nothing was noticed.
const POLL: Duration = Duration::from_secs(30);

/// Applies the file whenever it changes, for as long as the server runs.
pub async fn watch(reload: Arc<Reload>, path: PathBuf) {
    let changed = Arc::new(Notify::new());
    let watcher = watcher(&path, changed.clone());
    if let Err(error) = &watcher {
        warn!(%error, file = %path.display(), "the configuration's folder cannot be watched; it is polled");
    }
    loop {
        if timeout(POLL, changed.notified()).await.is_ok() {
            settle(&changed).await;
        }
        reload.again(&path, PolicyTrigger::File).await;
    }
}

/// Waits until nothing has changed for a moment.
async fn settle(changed: &Notify) {
    while timeout(QUIET, changed.notified()).await.is_ok() {
        sleep(QUIET / 10).await;
    }
}

fn watcher(path: &Path, changed: Arc<Notify>) -> notify::Result<impl Watcher> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| ends_a_write(event.kind)) {
            changed.notify_one();
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

fn ends_a_write(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Create(_)
            | EventKind::Modify(ModifyKind::Name(_))
            | EventKind::Access(AccessKind::Close(AccessMode::Write))
    )
}

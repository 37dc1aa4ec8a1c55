//! `usher journal`: verify, dump, repair and restore, by the binary, on journals of the real server.

mod killed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use killed::Server;

/// What `usher journal` answers: its exit code, and both streams.
fn usher(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_usher")).arg("journal").args(arguments).output().expect("it starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().expect("it ends"), String::from_utf8(said).expect("text"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary directory's name is text")
}

/// Segments of a journal, in order.
fn segments(journal: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(journal).expect("readable").map(|entry| entry.expect("an entry").path());
    let mut segments: Vec<_> = names.filter(|path| path.extension().is_some_and(|end| end == "journal")).collect();
    segments.sort();
    segments
}

/// A killed server with twenty contacts waiting, over two segments.
fn served() -> (Server, Vec<String>) {
    let mut server = Server::begin();
    let ids = killed::runtime().block_on(async {
        killed::wait_in_line(&server, 10).await;
        server.kill();
        server.start();
        let gateway = server.gateway().await;
        killed::more(gateway, 10..20).await;
        killed::line(&server).await
    });
    server.kill();
    (server, ids)
}

#[test]
fn a_journal_in_order_is_verified_and_told_about() {
    let (server, _) = served();
    let journal = server.journal();
    let (code, said) = usher(&["verify", text(&journal)]);
    assert_eq!(code, 0, "{said}");
    for part in ["good", "2 segments", "tenant default:", "20 contacts (20 not ended)", "4 agents"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let (code, said) = usher(&["verify", text(&journal), "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &said["ok"], &said["tenants"][0]["live"]), (0, &true.into(), &20.into()), "{said}");
}

#[test]
fn a_dump_has_a_line_for_every_event() {
    let (server, ids) = served();
    let journal = server.journal();
    let (code, said) = usher(&["dump", text(&journal)]);
    assert_eq!(code, 0);
    for id in &ids {
        assert!(said.contains(id), "{id} is missing");
    }
    let (_, json) = usher(&["dump", text(&journal), "--json", "--from", "5", "--tenant", "default"]);
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).expect("JSON, one object a line")).collect();
    assert_eq!(lines.len(), said.lines().count() - 4);
    assert!(lines.iter().zip(5..).all(|(line, sequence)| line["sequence"] == sequence), "in order, without a gap");
    assert!(lines.iter().any(|line| line["event"] == "Resumed"));
    assert_eq!(usher(&["dump", text(&journal), "--tenant", "nobody"]), (0, String::new()));
}

#[test]
fn row_18_damage_is_named_and_only_cut_when_asked() {
    let (mut server, ids) = served();
    let journal = server.journal();
    let [first, second] = &segments(&journal)[..] else { panic!("two segments") };
    let whole = fs::read(second).expect("readable");
    let mut hurt = whole.clone();
    let middle = hurt.iter().rposition(|&byte| byte != 0).expect("not all zeros") / 2;
    hurt[middle] ^= 1;
    fs::write(second, &hurt).expect("writable");
    let name = second.file_name().and_then(|name| name.to_str()).expect("a name");
    for arguments in [["verify", text(&journal)], ["repair", text(&journal)]] {
        let (code, said) = usher(&arguments);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(name) && said.contains("offset"), "{said}");
    }
    assert_eq!(fs::read(second).expect("readable"), hurt, "nothing is changed unasked");
    assert!(server.second().contains(name), "and it does not start");
    let (code, said) = usher(&["repair", text(&journal), "--cut"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(usher(&["verify", text(&journal)]).0, 0);
    assert!(journal.join(format!("{name}.cut")).exists(), "what was taken away is still there");
    assert!(first.exists());
    server.start();
    let kept = killed::runtime().block_on(killed::line(&server));
    assert!(ids.starts_with(&kept) && kept.len() < ids.len(), "a prefix: {kept:?}");
    server.stop();
}

#[test]
fn row_89_a_backup_taken_while_it_serves_is_restored_elsewhere() {
    let mut server = Server::begin();
    let runtime = killed::runtime();
    let ids = runtime.block_on(killed::wait_in_line(&server, 10));
    // As docs/journal.md says: first what says how far was told, then the segments.
    let journal = server.journal();
    let backup = journal.with_file_name("backup");
    fs::create_dir(&backup).expect("writable");
    fs::copy(journal.join("durable"), backup.join("durable")).expect("copied");
    for segment in segments(&journal) {
        fs::copy(&segment, backup.join(segment.file_name().expect("a name"))).expect("copied");
    }
    runtime.block_on(async {
        let gateway = server.gateway().await;
        killed::more(gateway, 10..20).await;
    });
    server.stop();
    let (code, said) = usher(&["restore", text(&backup), text(&journal)]);
    assert_eq!(code, 1, "never over a journal: {said}");
    fs::remove_dir_all(&journal).expect("removed");
    let (code, said) = usher(&["restore", text(&backup), text(&journal)]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("term 2"), "{said}");
    server.start();
    assert_eq!(runtime.block_on(killed::line(&server)), ids);
    server.stop();
    assert_eq!(usher(&["verify", text(&journal)]).0, 0);
}

#[test]
fn where_there_is_no_journal_it_says_so() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let (code, said) = usher(&["verify", text(dir.path())]);
    assert!(code == 1 && said.contains("no journal here"), "{said}");
    assert_eq!(usher(&["verify", "/nowhere/at/all"]).0, 1);
    assert_eq!(usher(&["fly"]).0, 2);
}

//! `usher agents import` against a real server: lists of every shape, all faults at once, nothing half done.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use usher::config::import::{Known, List};
use usher_proto::v1;
use usher_proto::v1::agent_service_client::AgentServiceClient;

const CONFIG: &str = r#"
[server]
grpc_listen = "127.0.0.1:0"
http_listen = "127.0.0.1:0"
watch_config = false
[journal]
backend = "memory"
[telemetry]
log_format = "json"
[[tenants]]
id = "default"
[[tenants.skills]]
id = "french"
[[tenants.skills]]
id = "billing"
[[tenants.queues]]
id = "sales"
[[tenants.teams]]
id = "front"
queues = [{ id = "sales" }]
[[tenants.teams]]
id = "back"
[[tenants.agents]]
id = "ana"
team = "front"
"#;

/// A server with no agents but Ana's. Killed when dropped.
struct Server {
    child: Child,
    dir: TempDir,
    grpc: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start() -> Server {
        let dir = TempDir::new().expect("a directory");
        std::fs::write(dir.path().join("usher.toml"), CONFIG).expect("a writable directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command.args(["serve", "--config", "usher.toml"]).current_dir(dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut said = BufReader::new(child.stderr.take().expect("piped"));
        let grpc = loop {
            let mut line = String::new();
            assert!(said.read_line(&mut line).expect("text") > 0, "it ended before it listened");
            let told: Value = serde_json::from_str(&line).expect("a JSON line");
            if let Some(grpc) = told["grpc"].as_str() {
                break grpc.to_owned();
            }
        };
        // What it says later must have somewhere to go.
        std::thread::spawn(move || said.lines().for_each(drop));
        Server { child, dir, grpc }
    }

    fn list(&self, text: &str) -> PathBuf {
        let path = self.dir.path().join("agents.csv");
        std::fs::write(&path, text).expect("a writable directory");
        path
    }

    /// Takes a list in: exit code, standard output, standard error.
    fn import(&self, text: &str, more: &[&str]) -> (i32, String, String) {
        import(&self.grpc, &self.list(text), more)
    }

    fn import_json(&self, text: &str, more: &[&str]) -> Value {
        let (_, out, error) = self.import(text, &[more, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|_| panic!("one JSON object, not {out}{error}"))
    }

    fn agents(&self) -> Vec<v1::Agent> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut client = AgentServiceClient::connect(format!("http://{}", self.grpc)).await.expect("it listens");
            let request = v1::ListAgentsRequest { page_size: 1_000, ..v1::ListAgentsRequest::default() };
            client.list_agents(request).await.expect("agents").into_inner().agents
        })
    }
}

fn import(addr: &str, file: &std::path::Path, more: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.args(["agents", "import", "--addr", addr]).args(more).arg(file).env_remove("USHER_ADDR");
    let output = command.output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

fn six_hundred(level: u32) -> String {
    let mut list = String::from("agent_id,display_name,team,skill.french,skills,attribute.desk:int64\n");
    for agent in 0..600 {
        let french = if agent % 3 == 0 { level.to_string() } else { String::new() };
        list += &format!("a-{agent},\"Agent, {agent}\",front,{french},billing={},{agent}\n", 1 + agent % 10);
    }
    list
}

#[test]
fn six_hundred_agents_and_again_and_otherwise() {
    let server = Server::start();
    let dry = server.import_json(&six_hundred(4), &["--dry-run"]);
    assert_eq!(
        (&dry["ok"], &dry["unchanged"], dry["created"].as_array().map(Vec::len)),
        (&json!(true), &json!(0), Some(600))
    );
    assert_eq!(server.agents().len(), 1, "a dry run changes nothing");

    let (code, out, error) = server.import(&six_hundred(4), &[]);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    assert!(out.ends_with("agents.csv: 600 agents: 600 new, 0 changed, 0 unchanged\n"), "{out}");
    let agents = server.agents();
    assert_eq!(agents.len(), 601);
    let nine = agents.iter().find(|agent| agent.agent_id == "a-9").expect("he is there");
    assert_eq!((nine.display_name.as_str(), nine.team.as_str(), nine.capacity), ("Agent, 9", "front", 100));
    assert_eq!(nine.skills, [("billing".to_owned(), 10), ("french".to_owned(), 4)].into());
    assert_eq!(nine.attributes["desk"].kind, Some(v1::value::Kind::Int64Value(9)));

    let again = server.import_json(&six_hundred(4), &[]);
    assert_eq!((&again["unchanged"], &again["created"], &again["changed"]), (&json!(600), &json!([]), &json!([])));
    let (code, out, _) = server.import(&six_hundred(5), &[]);
    assert_eq!(code, 0);
    assert!(out.ends_with("600 agents: 0 new, 200 changed, 400 unchanged\n"), "{out}");
}

#[test]
fn all_faults_come_at_once_with_their_places() {
    let server = Server::start();
    let list = "agent_id,team,skill.french,skills,capacity\n\
        bo,frnt,11,,100\n\
        cy,front,,billng=3 french=0,many\n\
        bo,front,,,\n\
        di,front,,\n\
        ,front,,,\n";
    let (code, out, error) = server.import(list, &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    for told in [
        "agents.csv:2:4: error: there is no team `frnt`\n2 | bo,frnt,11,,100\n  |    ^^^^\n  = did you mean `front`?\n",
        "agents.csv:2:9: error: `11` is not a level\n2 | bo,frnt,11,,100\n  |         ^^\n",
        "agents.csv:3:11: error: there is no skill `billng`\n3 | cy,front,,billng=3 french=0,many\n  |           ^^^^^^\n  = did you mean `billing`?\n",
        "agents.csv:3:27: error: `0` is not a level\n3 | cy,front,,billng=3 french=0,many\n  |                           ^\n",
        "agents.csv:3:29: error: `many` is not a capacity of 1 to 10000 units\n",
        "agents.csv:4:1: error: agent `bo` stands in line 2 already\n4 | bo,front,,,\n  | ^^\n",
        "agents.csv:5:11: error: 4 fields under a header of 5\n",
        "agents.csv:6:1: error: an agent without an id\n",
        "agents.csv: 8 faults\n",
    ] {
        assert!(error.contains(told), "{told}\nin\n{error}");
    }
    assert_eq!(server.agents().len(), 1, "nothing is half done");
    let told = server.import_json(list, &[]);
    let faults = told["faults"].as_array().expect("faults");
    let paths: Vec<&str> = faults.iter().filter_map(|fault| fault["path"].as_str()).collect();
    assert_eq!(paths[..5], ["team", "skill.french", "skills", "skills", "capacity"], "{told}");
}

#[test]
fn what_only_the_server_knows_is_a_fault_of_the_row() {
    let server = Server::start();
    let (code, _, error) = server.import("team,agent_id\nfront,bo\nfront,ana\n", &[]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("agents.csv:3:7: error: "), "{error}");
    assert!(error.contains("3 | front,ana\n  |       ^^^\n") && error.contains("configuration"), "{error}");
    assert_eq!(server.agents().len(), 1, "bo is not taken in either");
}

#[test]
fn who_cannot_be_asked_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = free.local_addr().expect("bound").to_string();
    drop(free);
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("agents.csv");
    let (code, _, error) = import(&addr, &file, &[]);
    assert!(code == 1 && error.contains("cannot be read"), "{error}");
    std::fs::write(&file, "agent_id\nbo\n").expect("a writable directory");
    let (code, _, error) = import(&addr, &file, &[]);
    assert!(code == 1 && error.contains(&format!("failed to reach {addr}")), "{error}");
    let server = Server::start();
    let (code, _, error) = server.import("agent_id\nbo\n", &["--tenant", "nobody"]);
    assert!(code == 1 && error.contains("no such tenant"), "{error}");
}

// ---- the list alone

fn known() -> Known {
    let ids = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Known { teams: ids(&["front", "back"]), skills: ids(&["french", "billing"]) }
}

/// The faults of a list as lines: `line:column+width message`.
fn faults(text: &str) -> Vec<String> {
    let told = List::read(text, &known()).finish("list");
    told.faults
        .iter()
        .map(|fault| format!("{}:{}+{} {}", fault.line, fault.column, fault.width, fault.message))
        .collect()
}

#[test]
fn what_spreadsheets_write_is_read() {
    let lists = [
        "agent_id,team,skill.french,attribute.tags:list\r\nbo,front,7,a; b\r\n\r\n,,,\r\n",
        "\u{feff}agent_id;team;skill.french;attribute.tags:list\nbo;front;7;\"a;b\"\n",
        "agent_id\tteam\tskill.french\tattribute.tags:list\n\"bo\"\tfront\t 7 \ta;b",
    ];
    for text in lists {
        let list = List::read(text, &known());
        assert!(list.good(), "{}", list.finish("list"));
        assert_eq!(list.rows.len(), 1, "{text:?}");
        let profile = &list.rows[0].profile;
        assert_eq!(
            (&*profile.agent_id, profile.team.as_deref(), profile.skills.as_slice()),
            ("bo", Some("front"), &[("french".into(), 7)][..])
        );
        let tags = usher::engine::requirement::Value::List(vec!["a".into(), "b".into()]);
        assert_eq!(profile.attributes, [("tags".into(), tags)]);
        assert_eq!(list.line(0), 2);
    }
}

#[test]
fn every_fault_of_a_list_has_its_place() {
    let table: &[(&str, &[&str])] = &[
        ("", &["1:1+1 there is no header"]),
        ("agent_id\n", &["2:1+1 there is no agent under the header"]),
        ("team\nfront\n", &["1:1+4 there is no column `agent_id`"]),
        ("agent_id,taem\nbo,front\n", &["1:10+4 there is no column `taem`"]),
        ("agent_id,team,team\nbo,front,back\n", &["1:15+4 there are two columns `team`"]),
        ("agent_id,,team\nbo,,back\n", &["1:10+1 a column without a name"]),
        ("agent_id,skill.frenc\nbo,3\n", &["1:16+5 there is no skill `frenc`"]),
        ("agent_id,attribute.a b\nbo,3\n", &["1:20+3 `a b` is no name of an attribute"]),
        ("agent_id,attribute.a:int\nbo,3\n", &["1:22+3 there is no kind of attribute `int`"]),
        ("agent_id,attribute.a:int64\nbo,3.5\n", &["2:4+3 `3.5` is not a whole number"]),
        ("agent_id,attribute.a:bool\nbo,yes\n", &["2:4+3 `yes` is not `true` or `false`"]),
        ("agent_id,attribute.a:decimal\nbo,1.2345678\n", &["2:4+9 `1.2345678` is not a decimal of at most six places"]),
        ("agent_id,type\nbo,robot\n", &["2:4+5 there is no type of agent `robot`"]),
        ("agent_id,capacity\nbo,0\n", &["2:4+1 `0` is not a capacity of 1 to 10000 units"]),
        ("agent_id,skills\nbo,french\n", &["2:4+6 `french` has no level"]),
        ("agent_id,skills\nbo,french=3 french=4\n", &["2:13+8 the level in `french` is said twice"]),
        ("agent_id,skills\nbo,\"french=3,billing=x\"\n", &["2:22+1 `x` is not a level"]),
        ("agent_id,team\nbo,front,back\n", &["2:10+4 3 fields under a header of 2"]),
        ("agent_id,team\nbo,\"front\n", &["2:4+1 the quote that opens here is never closed"]),
        ("agent_id,display_name\nbo,\"a\u{7}b\"\n", &["2:5+3 control character `\\u{7}` in a field"]),
    ];
    for (text, told) in table {
        assert_eq!(faults(text), *told, "{text:?}");
    }
    let long = format!("agent_id,site\n{},{}\n", "x".repeat(129), "y".repeat(65));
    assert_eq!(
        faults(&long),
        ["2:1+129 129 bytes where at most 128 may be", "2:131+65 65 bytes where at most 64 may be"]
    );
}

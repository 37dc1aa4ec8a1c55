//! Faulty configurations: each fault has its line, its column and the words that help; all of a file come at once.

use proptest::prelude::*;
use usher::config::{self, Faults};

/// A small tenant in order; each case adds to it. Its lines: 1 tenant, 2 id, 3-4 skill, 5-7 queue, 8-10 team.
const BASE: &str = "\
[[tenants]]
id = \"t\"
[[tenants.skills]]
id = \"french\"
[[tenants.queues]]
id = \"sales\"
require = \"french >= 3\"
[[tenants.teams]]
id = \"team-a\"
queues = [{ id = \"sales\" }]
";

/// Lines of [`BASE`].
const B: u32 = 10;

fn faults(text: &str) -> Faults {
    match config::parse(text, "c.toml") {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(faults) => faults,
    }
}

/// What is not as wanted when the text should have this one fault.
fn differs(text: &str, line: u32, column: u32, words: &[&str]) -> Option<String> {
    let found = match config::parse(text, "c.toml") {
        Ok(_) => return Some(format!("accepted:\n{text}")),
        Err(found) => found,
    };
    let shown = found.to_string();
    let [fault] = found.faults.as_slice() else { return Some(format!("one fault wanted:\n{shown}")) };
    if (fault.line, fault.column) != (line, column) {
        return Some(format!("wanted at {line}:{column}:\n{shown}"));
    }
    let lacking = words.iter().find(|word| !shown.contains(**word))?;
    Some(format!("wanted `{lacking}`:\n{shown}"))
}

fn check(text: &str, line: u32, column: u32, words: &[&str]) {
    if let Some(difference) = differs(text, line, column, words) {
        panic!("{difference}");
    }
}

/// Faults in lines added after [`BASE`] (lines counted from the first added), with column and words.
const ADDED: &[(&str, u32, u32, &[&str])] = &[
    // The server.
    ("[server]\ngrpc_lisen = \"127.0.0.1:1\"", 2, 1, &["unknown key `grpc_lisen`", "did you mean `grpc_listen`"]),
    ("[server]\ngrpc_listen = \"localhost\"", 2, 15, &["not an address", "127.0.0.1:50051"]),
    ("[server]\ngrpc_listen = 50051", 2, 15, &["expected a text, found a whole number"]),
    ("[server]\ngrpc_listen = \"0.0.0.0:50051\"", 2, 15, &["no authentication", "insecure = true"]),
    ("[server]\nhttp_listen = \"[::]:8080\"", 2, 15, &["`http_listen` is open to other machines"]),
    ("[server]\nhttp_listen = \"127.0.0.1:50051\"", 2, 15, &["cannot both listen"]),
    ("[server]\ninsecure = \"yes\"", 2, 12, &["expected true or false, found a text"]),
    ("[server]\nrequest_timeout = 30", 2, 19, &["expected a duration, found a whole number", "1h30m"]),
    ("[server]\nrequest_timeout = \"30\"", 2, 19, &["number without a unit"]),
    ("[server]\nrequest_timeout = \"2h\"", 2, 19, &["not within 100ms to 1h"]),
    ("[server]\ndrain_grace = \"1w\"", 2, 15, &["`w` is not a unit of time"]),
    ("[server]\ntls = { cert = \"x\" }", 2, 1, &["known, but not available in this release"]),
    ("[server.limits]\ningress = 0", 2, 11, &["`ingress` is 0", "1 to 16777216"]),
    ("[server.limits]\nmax_message_bytes = -1", 2, 21, &["1024 to 67108864"]),
    ("[server.limits]\nmax_streams = 1.5", 2, 15, &["expected a whole number, found a decimal number"]),
    ("[server.limits]\ningres = 1", 2, 1, &["in `server.limits`", "did you mean `ingress`"]),
    ("[server.keepalive]\ninterval = \"0s\"", 2, 12, &["not within 1s to 1h"]),
    ("[[server.keepalive]]\ninterval = \"1s\"", 1, 1, &["expected a table, found a list", "[server.keepalive]"]),
    ("[auth]\nkey = 1", 1, 2, &["`auth` is known, but not available"]),
    ("[telemetry]\nlog = \"inof\"", 2, 7, &["does not say what to log", "info,usher=debug"]),
    ("[telemetry]\nlog_format = \"jsn\"", 2, 14, &["cannot be \"jsn\"", "did you mean \"json\""]),
    ("[journal]\nbackend = \"replicated\"", 2, 11, &["\"replicated\" is known, but not available", "\"embedded\""]),
    ("[journal]\nbackend = \"disk\"", 2, 11, &["cannot be \"disk\"", "one of \"embedded\""]),
    ("[journal]\ndurability = \"fsnyc\"", 2, 14, &["cannot be \"fsnyc\"", "did you mean \"fsync\""]),
    ("[journal]\nsegment_bytes = 1000", 2, 17, &["`segment_bytes` is 1000", "1048576"]),
    ("[journal]\nretention = \"4000d\"", 2, 13, &["`4000d` is longer than ten years"]),
    ("[metrics]\nx = 1", 1, 2, &["unknown key `metrics` at the top of the file", "known here"]),
    // The tenant.
    ("[[tenants]]\nid = \"t\"", 2, 6, &["two tenants `t`", "line 2"]),
    ("[[tenants]]\nid = \"\"", 2, 6, &["cannot be empty"]),
    ("[[tenants]]\nid = \"a b\"", 2, 6, &["` ` cannot stand in an id"]),
    ("[[tenants]]\nid = 7", 2, 6, &["expected a text, found a whole number"]),
    ("[[tenants]]\ntime_zone = \"UTC\"", 1, 1, &["`id` is missing in `tenants`"]),
    ("[[tenants]]\nid = \"u\"\ntime_zone = \"Europe/Lisboa\"", 3, 13, &["did you mean \"Europe/Lisbon\""]),
    ("[[tenants]]\nid = \"u\"\ndispositions = [\"a\", \"b\", \"a\"]", 3, 27, &["`a` is listed twice"]),
    ("[[tenants]]\nid = \"u\"\nnot_ready_reasons = [\"\"]", 3, 22, &["the text is empty"]),
    ("[[tenants]]\nid = \"u\"\nsession_lease = \"2d\"", 3, 17, &["not within 0s to 1d"]),
    ("[[tenants]]\nid = \"u\"\nmax_declines = 0", 3, 16, &["1 to 1000"]),
    // Classification.
    ("[tenants.classification]\nfallback = \"sels\"", 2, 12, &["no queue `sels`"]),
    ("[tenants.classification]\nrules = []", 1, 1, &["`fallback` is missing"]),
    (
        "[tenants.classification]\nfallback = \"sales\"\nrules = [{ queue = \"sale\" }]",
        3,
        20,
        &["no queue `sale`", "`sales`"],
    ),
    (
        "[tenants.classification]\nfallback = \"sales\"\nrules = [{ channels = [\"voise\"], queue = \"sales\" }]",
        3,
        24,
        &["no channel `voise`"],
    ),
    (
        "[tenants.classification]\nfallback = \"sales\"\nrules = [{ asks = [\"frnch\"], queue = \"sales\" }]",
        3,
        20,
        &["no skill `frnch`", "`french`"],
    ),
    (
        "[tenants.classification]\nfallback = \"sales\"\nrules = [{ when = \"french >= 3\", queue = \"sales\" }]",
        3,
        19,
        &["tests a skill or an agent", "attr.NAME"],
    ),
    (
        "[tenants.classification]\nfallback = \"sales\"\nrules = [{ when = \"attr.a >\", queue = \"sales\" }]",
        3,
        28,
        &["expected"],
    ),
    (
        "[tenants.classification]\nfallback = \"sales\"\nrules = [{ queue = \"sales\" }, { asks = [\"french\"], queue = \"sales\" }]",
        3,
        10,
        &["matches every contact", "put it last"],
    ),
    (
        "[tenants.classification]\nfallback = \"sales\"\nrules = [{ set_priority = 101, queue = \"sales\" }]",
        3,
        27,
        &["101"],
    ),
    ("[[tenants]]\nid = \"u\"\ncalendars = []", 3, 1, &["`calendars` is known, but not available"]),
    ("[[tenants]]\nid = \"u\"\nwrap_up = \"30s\"", 3, 1, &["unknown key `wrap_up`", "belongs to [[tenants.queues]]"]),
    // Skills and channels.
    ("[[tenants.skills]]\nid = \"french\"", 2, 6, &["two skills `french`", "line 4"]),
    ("[[tenants.skills]]\nid = \"x\"\ndisplay_name = \"a\\nb\"", 3, 16, &["control character"]),
    ("[[tenants.channels]]\nid = \"voice\"\ncost = 0", 3, 8, &["1 to 1000"]),
    ("[[tenants.channels]]\nid = \"voice\"\nconnect = \"explict\"", 3, 11, &["did you mean \"explicit\""]),
    ("[[tenants.channels]]\nid = \"voice\"\npool = \"chat\"", 3, 1, &["unknown key `pool`", "`pools`"]),
    (
        "[[tenants.pools]]\nid = \"calm\"\nmax = 1\n[[tenants.channels]]\nid = \"voice\"\npools = [\"clam\"]",
        6,
        10,
        &["no pool `clam`", "`calm`"],
    ),
    ("[[tenants.pools]]\nid = \"calm\"", 2, 6, &["bounds nothing", "add `max`"]),
    ("[[tenants.pools]]\nid = \"calm\"\nper_day = 5\nmax = 0", 4, 7, &["1 to 1000"]),
    ("[[tenants.pools]]\nid = \"calm\"\nper_day = 5\nreset = \"25:00\"", 4, 9, &["not a time of day"]),
    ("[[tenants.pools]]\nid = \"calm\"\nmax = 5\nreset = \"06:00\"", 4, 9, &["means nothing without `per_day`"]),
    ("[[tenants.pools]]\nid = \"a\"\nmax = 5\n[[tenants.pools]]\nid = \"a\"\nmax = 5", 5, 6, &["two pools `a`"]),
    ("[[tenants.channels]]\nid = \"voice\"\nexcludes = [\"voise\"]", 3, 13, &["no channel `voise`", "`voice`"]),
    ("[[tenants.channels]]\nid = \"voice\"\nexcludes = [\"voice\"]", 3, 13, &["excludes itself", "max = 1"]),
    ("[[tenants.teams]]\nid = \"x\"\nmax_occupancy = 1.5", 3, 17, &["`max_occupancy` is 1.5"]),
    ("[[tenants.teams]]\nid = \"x\"\noffer_rate_limit = { offers = 3 }", 3, 20, &["`per` is missing"]),
    ("[[tenants.channels]]\nid = \"voice\"\noffer_time = \"20s\"", 3, 1, &["did you mean `offer_timeout`"]),
    ("[[tenants.channels]]\nid = \"voice\"\n[[tenants.channels]]\nid = \"voice\"", 4, 6, &["two channels `voice`"]),
    // Queues.
    ("[[tenants.queues]]\nid = \"sales\"", 2, 6, &["two queues `sales`", "line 6"]),
    ("[[tenants.queues]]\nid = \"q\"\nrequire = \"frnch >= 3\"", 3, 12, &["unknown skill `frnch`", "`french`"]),
    ("[[tenants.queues]]\nid = \"q\"\nrequire = \"french >= 3 and french > 12\"", 3, 37, &["level 12"]),
    ("[[tenants.queues]]\nid = \"q\"\nrequire = 'french = '", 3, 21, &["expected a level"]),
    ("[[tenants.queues]]\nid = \"q\"\nrequire = \"\"\"\nfrench\nand\"\"\"", 5, 4, &["found the end"]),
    (
        "[[tenants.queues]]\nid = \"q\"\noverflow = [{ when = \"wait\", after = \"1s\", then = \"voicemail\" }]",
        3,
        51,
        &["known, but not", "\"external\""],
    ),
    // Steps.
    ("[[tenants.queues]]\nid = \"q\"\nsteps = [{}, {}]", 3, 14, &["a step without `after`", "after = \"30s\""]),
    (
        "[[tenants.queues]]\nid = \"q\"\nsteps = [{ after = \"9s\" }, { after = \"9s\" }]",
        3,
        38,
        &["begins no later than the one before it", "write more than 9s"],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\nsteps = [{ require = \"frnch\" }]",
        3,
        23,
        &["unknown skill `frnch`", "`french`"],
    ),
    ("[[tenants.queues]]\nid = \"q\"\nsteps = [{ drop = [\"frnch\"] }]", 3, 20, &["no skill `frnch`", "`french`"]),
    (
        "[[tenants.queues]]\nid = \"q\"\nsteps = [{ prefer = \"last\" }]",
        3,
        21,
        &["cannot be \"last\"", "preferred_agent"],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\nsteps = [{ prefer = \"preferred_agent\" }]",
        3,
        21,
        &["the last step is for preferred agents alone", "wait for ever"],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\nsteps = [{ skip_if = \"nobody_signed_in\" }]",
        3,
        22,
        &["the last step cannot be passed over", "`steps_exhausted`"],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\nsteps_exhausted = { then = \"any_in_queue\" }",
        3,
        19,
        &["`after` is missing", "after = \"2m\""],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\nsteps_exhausted = { then = \"stay_on_last\", after = \"1m\" }",
        3,
        52,
        &["`after` means nothing"],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\nsteps = [{ after = \"1m\" }]\nsteps_exhausted = { then = \"any_in_queue\", after = \"1m\" }",
        4,
        52,
        &["over before it begins", "begins at 1m"],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\nsteps_exhausted = { then = \"overflow\", after = \"1m\" }",
        3,
        19,
        &["no overflow rule says", "steps_exhausted"],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\noverflow = [{ when = \"steps_exhausted\", then = \"refuse\" }]",
        3,
        13,
        &["this rule never acts", "then = \"overflow\""],
    ),
    ("[[tenants.queues]]\nid = \"q\"\nselection = \"rank\"", 3, 13, &["cannot be \"rank\"", "one of"]),
    (
        "[[tenants.queues]]\nid = \"q\"\nbroadcast = { min = 1 }",
        3,
        13,
        &["`broadcast` means nothing", "set `selection` to \"broadcast\""],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\nselection = \"broadcast\"\nbroadcast = { min = 3, max = 2 }",
        4,
        13,
        &["`min` is 3, more than `max`, which is 2"],
    ),
    ("[[tenants.queues]]\nid = \"q\"\nselection = \"broadcast\"\nbroadcast = { max = 51 }", 4, 21, &["50"]),
    ("[[tenants.queues]]\nid = \"q\"\nselection = \"best_score\"", 2, 6, &["needs a `score`", "such as"]),
    (
        "[[tenants.queues]]\nid = \"q\"\nselection = \"ranked\"\nscore = \"french\"",
        4,
        9,
        &["`score` means nothing", "set `selection` to \"best_score\""],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\nselection = \"best_score\"\nscore = \"2 * frnch + attr.years\"",
        4,
        14,
        &["unknown skill `frnch`", "did you mean `french`"],
    ),
    ("[[tenants.queues]]\nid = \"q\"\naging_cap = 3", 3, 13, &["means nothing without `aging_per_minute`"]),
    ("[[tenants.queues]]\nid = \"q\"\nmax_wait_first = \"0s\"", 3, 18, &["not within 100ms to 90d"]),
    ("[[tenants.queues]]\nid = \"q\"\nexpected_handle = \"0s\"", 3, 19, &["not within 100ms to 90d"]),
    ("[[tenants.queues]]\nid = \"q\"\nwaiting_cost = -1.5", 3, 16, &["`waiting_cost` is -1.5"]),
    // Agents kept back.
    (
        "[[tenants.reserve]]\nteam = \"team-b\"\nqueue = \"sales\"\nkeep_idle = 1",
        2,
        8,
        &["no team `team-b`", "did you mean `team-a`"],
    ),
    ("[[tenants.reserve]]\nteam = \"team-a\"\nqueue = \"sale\"\nkeep_idle = 1", 3, 9, &["no queue `sale`"]),
    ("[[tenants.reserve]]\nteam = \"team-a\"\nqueue = \"sales\"", 1, 1, &["`keep_idle` is missing"]),
    (
        "[[tenants.reserve]]\nteam = \"team-a\"\nqueue = \"sales\"\nkeep_idle = 1\nhysteresis = 2",
        5,
        14,
        &["expected a table, found a whole number"],
    ),
    (
        "[[tenants.reserve]]\nteam = \"team-a\"\nqueue = \"sales\"\nkeep_idle = 1\nhysteresis = { start = 2, stop = 3 }",
        5,
        34,
        &["help would end at 3", "`stop` is at most `start`"],
    ),
    (
        "[[tenants.teams]]\nid = \"x\"\n[[tenants.reserve]]\nteam = \"x\"\nqueue = \"sales\"\nkeep_idle = 1",
        5,
        9,
        &["team `x` does not serve queue `sales`"],
    ),
    ("[[tenants.queues]]\nid = \"q\"\nselection = \"longest\"", 3, 13, &["cannot be \"longest\"", "one of"]),
    ("[[tenants.queues]]\nid = \"q\"\ncalendar = \"c\"", 3, 1, &["`calendar` is known, but not available"]),
    ("[[tenants.queues]]\nid = \"q\"\noverflow = [{ when = \"wait\", then = \"refuse\" }]", 3, 13, &["needs `after`"]),
    (
        "[[tenants.queues]]\nid = \"q\"\noverflow = [{ when = \"estimated_wait\", then = \"refuse\" }]",
        3,
        22,
        &["known, but not available", "\"no_willing_agent\""],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\noverflow = [{ when = \"queue_length\", then = \"callback\" }]",
        3,
        45,
        &["known, but not available"],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\noverflow = [{ when = \"queue_length\", then = \"relax\" }]",
        3,
        13,
        &["needs a queue with steps", "add steps"],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\nsteps = [{ after = \"1s\", require = \"french\" }]\noverflow = [{ when = \"queue_closed\", then = \"relax\" }]",
        4,
        13,
        &["does not wait in a closed queue", "\"external\""],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\nsteps = [{ after = \"1s\", require = \"french\" }]\nsteps_exhausted = { after = \"2s\", then = \"overflow\" }\noverflow = [{ when = \"steps_exhausted\", then = \"relax\" }]",
        5,
        13,
        &["leaves no step", "any_in_queue"],
    ),
    ("[[tenants.queues]]\nid = \"q\"\noverflow = [{ then = \"refuse\" }]", 3, 13, &["`when` is missing"]),
    (
        "[[tenants.queues]]\nid = \"q\"\noverflow = [{ when = \"nobody_signed_in\", then = \"queue\" }]",
        3,
        13,
        &["needs `queue`"],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\noverflow = [{ when = \"nobody_signed_in\", length = 3, then = \"refuse\" }]",
        3,
        51,
        &["`length` means nothing here", "when = \"queue_length\""],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\noverflow = [{ when = \"queue_length\", then = \"queue\", queue = \"sale\" }]",
        3,
        62,
        &["no queue `sale`", "`sales`"],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\noverflow = [{ when = \"queue_length\", then = \"queue\", queue = \"q\" }]",
        3,
        62,
        &["round in a circle: q -> q"],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\noverflow = [{ when = \"queue_length\", then = \"queue\", queue = \"r\" }]\n[[tenants.queues]]\nid = \"r\"\noverflow = [{ when = \"queue_length\", then = \"queue\", queue = \"q\" }]",
        6,
        62,
        &["round in a circle: q -> r -> q"],
    ),
    ("[[tenants.queues]]\nid = \"q\"\nlimit = -1", 3, 9, &["`limit` is -1", "0 to 4000000"]),
    // Groups of queues.
    ("[[tenants.queue_groups]]\nid = \"g\"\nqueues = [\"sale\"]\nlimit = 1", 3, 11, &["no queue `sale`", "`sales`"]),
    ("[[tenants.queue_groups]]\nid = \"g\"\nqueues = [\"sales\", \"sales\"]\nlimit = 1", 3, 20, &["listed twice"]),
    ("[[tenants.queue_groups]]\nid = \"g\"\nqueues = [\"sales\"]", 1, 1, &["`limit` is missing"]),
    (
        "[[tenants.queue_groups]]\nid = \"g\"\nqueues = []\nlimit = 1\n[[tenants.queue_groups]]\nid = \"g\"\nqueues = []\nlimit = 1",
        6,
        6,
        &["two queue groups `g`"],
    ),
    ("[[tenants.queues]]\nid = \"q\"\naging_per_minute = 1001", 3, 20, &["`aging_per_minute` is 1001", "0 to 1000"]),
    ("[[tenants.queues]]\nid = \"q\"\nwrap_up = \"30s\"", 3, 11, &["expected a table, found a text"]),
    ("[[tenants.queues]]\nid = \"q\"\nwrap_up = { mode = \"timed\" }", 3, 11, &["without `duration`"]),
    ("[[tenants.queues]]\nid = \"q\"\nwrap_up = { duration = \"1s\" }", 3, 11, &["`mode` is missing"]),
    ("[[tenants.queues]]\nid = \"q\"\nwrap_up = { mode = \"none\", duration = \"1s\" }", 3, 39, &["means nothing"]),
    ("[[tenants.queues]]\nid = \"q\"\nwrap_up = { mode = \"manual\", duration = \"2h\" }", 3, 41, &["1h at most"]),
    ("[[tenants.queues]]\nid = \"q\"\nservice_level = { target = 80 }", 3, 28, &["`target` is 80", "0 to 1"]),
    ("[[tenants.queues]]\nid = \"q\"\nservice_level = { treshold = \"1s\" }", 3, 19, &["did you mean `threshold`"]),
    ("[[tenants.queues]]\nid = \"q\"\nmax_wait = \"1m1h\"", 3, 12, &["units out of order"]),
    // Teams.
    ("[[tenants.teams]]\nid = \"team-a\"", 2, 6, &["two teams `team-a`", "line 9"]),
    ("[[tenants.teams]]\nid = \"x\"\nparent = \"team-b\"", 3, 10, &["no team `team-b`", "did you mean `team-a`"]),
    ("[[tenants.teams]]\nid = \"x\"\nparent = \"x\"", 3, 10, &["their own parents: x -> x"]),
    (
        "[[tenants.teams]]\nid = \"x\"\nparent = \"y\"\n[[tenants.teams]]\nid = \"y\"\nparent = \"x\"",
        3,
        10,
        &["x -> y -> x"],
    ),
    (
        "[[tenants.teams]]\nid = \"x\"\nqueues = [{ id = \"sale\" }]",
        3,
        18,
        &["no queue `sale`", "did you mean `sales`"],
    ),
    ("[[tenants.teams]]\nid = \"x\"\nqueues = [\"sales\"]", 3, 11, &["expected a table, found a text"]),
    ("[[tenants.teams]]\nid = \"x\"\nqueues = [{ priority = 1 }]", 3, 11, &["`id` is missing"]),
    ("[[tenants.teams]]\nid = \"x\"\nqueues = [{ id = \"*\" }, { id = \"*\" }]", 3, 32, &["listed twice"]),
    ("[[tenants.teams]]\nid = \"x\"\nqueues = [{ id = \"*\", priority = 100 }]", 3, 34, &["1 to 99"]),
    ("[[tenants.teams]]\nid = \"x\"\nqueues = [{ id = \"*\", delay = 5 }]", 3, 31, &["expected a duration"]),
    ("[[tenants.teams]]\nid = \"x\"\nqueues = [{ id = \"*\", rank = 0 }]", 3, 30, &["`rank` is 0", "1 to 99"]),
    ("[[tenants.teams]]\nid = \"x\"\nqueues = [{ id = \"*\", ratio = 0.5 }]", 3, 31, &["`ratio` means nothing here"]),
    (
        "[[tenants.teams]]\nid = \"x\"\nqueue_ratio = { measure = \"count\" }",
        3,
        15,
        &["means nothing", "\"queue_ratio\""],
    ),
    (
        "[[tenants.teams]]\nid = \"x\"\ncontact_order = \"queue_ratio\"\nqueue_ratio = { measure = \"count\" }\nqueues = [{ id = \"sales\" }]",
        5,
        18,
        &["queue `sales` has no `ratio`"],
    ),
    (
        "[[tenants.queues]]\nid = \"q\"\nexpected_patience = \"1m\"\n[[tenants.teams]]\nid = \"x\"\ncontact_order = \"cmu_theta\"\nqueues = [{ id = \"*\" }]",
        6,
        17,
        &["queue `q` has an `expected_patience` and queue `sales` has none"],
    ),
    (
        "[[tenants.teams]]\nid = \"x\"\nshifts = [{ from = \"9\", to = \"17:00\" }]",
        3,
        20,
        &["`9` is not a time of day"],
    ),
    (
        "[[tenants.teams]]\nid = \"x\"\nshifts = [{ from = \"09:00\", to = \"17:00\", breaks = [{ from = \"08:00\", to = \"08:30\" }] }]",
        3,
        62,
        &["not inside its shift"],
    ),
    ("[[tenants.teams]]\nid = \"x\"\ncontact_order = \"cmu\"", 3, 17, &["cannot be \"cmu\"", "\"cmu_theta\""]),
    ("[tenants.teams.x]", 1, 16, &["unknown key `x`"]),
    // Agents.
    ("[[tenants.agents]]\nid = \"a\"\nteam = \"team-b\"", 3, 8, &["no team `team-b`", "did you mean `team-a`"]),
    ("[[tenants.agents]]\nid = \"a\"\nskills = { frensh = 3 }", 3, 12, &["no skill `frensh`", "did you mean `french`"]),
    ("[[tenants.agents]]\nid = \"a\"\nskills = { french = 11 }", 3, 21, &["`french` is 11", "1 to 10"]),
    ("[[tenants.agents]]\nid = \"a\"\nskills = [\"french\"]", 3, 10, &["expected a table, found a list"]),
    ("[[tenants.agents]]\nid = \"a\"\ncapacity = 10001", 3, 12, &["1 to 10000"]),
    ("[[tenants.agents]]\nid = \"a\"\ntype = \"robot\"", 3, 8, &["cannot be \"robot\"", "\"human\", \"ai\""]),
    ("[[tenants.agents]]\nid = \"a\"\nattributes = { x = 1.1234567 }", 3, 20, &["cannot be held exactly"]),
    ("[[tenants.agents]]\nid = \"a\"\nattributes = { x = [1] }", 3, 21, &["expected a text, found a whole number"]),
    ("[[tenants.agents]]\nid = \"a\"\nattributes = { x = 2026-01-01 }", 3, 20, &["found a date"]),
    ("[[tenants.agents]]\nid = \"é\"", 2, 6, &["`é` cannot stand in an id"]),
    ("[[tenants.agents]]\nteam = \"team-a\"", 1, 1, &["`id` is missing in `tenants.agents`"]),
    // Syntax.
    ("[server\ninsecure = true", 1, 8, &["expected `]`"]),
    ("[server]\ninsecure = ", 2, 12, &[]),
    ("[server]\ninsecure true", 2, 10, &[]),
    ("[server]\ninsecure = true\ninsecure = false", 3, 1, &["duplicate key"]),
    ("[server]\ngrpc_listen = \"127.0.0.1", 2, 25, &[]),
];

#[test]
fn every_fault_has_its_place_and_words() {
    assert!(ADDED.len() >= 60);
    let case = |(added, line, column, words): &(&str, u32, u32, &[&str])| {
        differs(&format!("{BASE}{added}\n"), B + line, *column, words)
    };
    let wrong: Vec<String> = ADDED.iter().filter_map(case).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The whole table as people see it, carets and hints included; reviewed like prose. UPDATE_EXPECT=1 writes it anew.
#[test]
fn every_fault_is_shown_as_reviewed() {
    let mut shown = String::new();
    for (added, ..) in ADDED {
        let told = faults(&format!("{BASE}{added}\n")).to_string();
        told.lines().for_each(|line| shown.push_str(&format!("{}\n", line.trim_end())));
        shown.push('\n');
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config_faults.txt");
    let shown = format!("{}\n", shown.trim_end());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &shown).expect("the file can be written");
    }
    let reviewed = std::fs::read_to_string(path).expect("the reviewed text");
    for (at, (one, other)) in shown.split("\n\n").zip(reviewed.split("\n\n")).enumerate() {
        assert_eq!(one, other, "fault {at}");
    }
    assert_eq!(shown, reviewed);
}

/// Faults that only show in a file whose names all hold: the agents cannot serve what is asked.
#[test]
fn what_nobody_can_serve_is_a_fault() {
    let agent = |team: &str, level: u8| {
        format!("[[tenants.agents]]\nid = \"a\"\nteam = \"{team}\"\nskills = {{ french = {level} }}\n")
    };
    assert!(config::parse(&format!("{BASE}{}", agent("team-a", 3)), "c.toml").is_ok());
    check(&format!("{BASE}{}", agent("team-a", 2)), 7, 11, &["no agent here can ever meet `french >= 3`"]);

    let other = "[[tenants.teams]]\nid = \"other\"\n";
    let elsewhere = format!("{BASE}{other}{}", agent("other", 9));
    check(&elsewhere, 7, 11, &["no agent in a team that serves queue `sales` meets"]);

    let queue = "[[tenants.queues]]\nid = \"idle\"\n";
    check(
        &format!("{BASE}{queue}{}", agent("team-a", 3)),
        B + 2,
        6,
        &["no team serves queue `idle`", "{ id = \"idle\" }"],
    );
    assert!(config::parse(&format!("{BASE}{queue}"), "c.toml").is_ok(), "agents may still come by gRPC");

    let able = agent("team-a", 3);
    let rules = |more: &str, set: &str| {
        let rule = format!("[[tenants.classification.rules]]\nqueue = \"sales\"\nset_requirement = \"{set}\"\n");
        format!("{BASE}{able}{more}[tenants.classification]\nfallback = \"sales\"\n{rule}")
    };
    assert!(config::parse(&rules("", "french <= 3"), "c.toml").is_ok());
    let both = "no agent here can ever meet `french <= 2` and what queue `sales` asks";
    let beyond = "no agent in a team that serves queue `sales` meets `french >= 4`";
    check(&rules("", "french >= 4"), B + 9, 19, &[beyond, "name another queue"]);
    let deputy = "[[tenants.agents]]\nid = \"b\"\nteam = \"team-a\"\nskills = { french = 2 }\n";
    check(&rules(deputy, "french <= 2"), B + 13, 19, &[both]);
    let drops = BASE.replace(
        "require = \"french >= 3\"",
        "require = \"french >= 3\"\nsteps = [{ after = \"9s\", drop = [\"french\"] }]",
    );
    assert!(config::parse(&rules("", "french >= 4").replace(BASE, &drops), "c.toml").is_ok(), "it is dropped later");

    let leader = "[[tenants.teams]]\nid = \"x\"\nleader = \"b\"\n";
    check(&format!("{BASE}{leader}{}", agent("team-a", 3)), B + 3, 10, &["no agent `b`", "did you mean `a`"]);
    assert!(config::parse(&format!("{BASE}{leader}"), "c.toml").is_ok(), "the leader may come by gRPC");
}

#[test]
fn a_file_without_tenants_says_what_to_add() {
    check("", 1, 1, &["there is no [[tenants]]", "[[tenants.queues]]", "usher config example"]);
    check("[server]\ninsecure = true\n", 1, 1, &["there is no [[tenants]]"]);
    check("tenants = []\n", 1, 11, &["`tenants` is empty"]);
    check("[tenants]\nid = \"x\"\n", 1, 1, &["expected a list, found a table", "[[tenants]]"]);
}

#[test]
fn too_much_is_a_fault() {
    let channels: String = (0..13).map(|n| format!("[[tenants.channels]]\nid = \"c{n}\"\n")).collect();
    check(&format!("{BASE}{channels}"), B + 26, 6, &["more than 12 channels"]);
    let long = format!("{BASE}[[tenants.skills]]\nid = \"{}\"\n", "x".repeat(65));
    check(&long, B + 2, 6, &["65 characters", "1-64"]);
    let attributes: Vec<String> = (0..65).map(|n| format!("a{n} = 1")).collect();
    let agent = format!("[[tenants.agents]]\nid = \"a\"\nattributes = {{ {} }}\n", attributes.join(", "));
    check(&format!("{BASE}{agent}"), B + 2, 6, &["more than 64 attributes"]);
}

#[test]
fn all_faults_come_at_once_in_order() {
    let text = "\
[server]
grpc_lisen = 1
drain_grace = 5
[[tenants]]
id = \"t\"
time_zone = \"Mars/Base\"
[[tenants.queues]]
id = \"q\"
require = \"nothing >= 3\"
wrap_up = { mode = \"timd\" }
limit = -3
[[tenants.agents]]
id = \"a\"
team = \"none\"
skills = { x = 0, y = 3 }
";
    let found = faults(text);
    let places: Vec<(u32, u32)> = found.faults.iter().map(|fault| (fault.line, fault.column)).collect();
    assert_eq!(places, [(2, 1), (3, 15), (6, 13), (9, 12), (10, 20), (11, 9), (14, 8), (15, 16), (15, 19)], "{found}");
    assert_eq!(found.count(), 9);
}

#[test]
fn a_fault_is_shown_with_line_and_caret() {
    let text = format!("{BASE}[server]\n\tdrain_grace = \"5 s\" # é\n");
    let expected = "\
c.toml:12:16: error: `5 s` has a number without a unit
12 | \tdrain_grace = \"5 s\" # é
   | \t              ^^^^^
  = write a text of whole numbers with units, such as \"20s\", \"1h30m\" or \"500ms\"";
    assert_eq!(faults(&text).to_string(), expected);
    assert!(faults(&text).render("error", true).contains("\x1b["));
    let json = serde_json::to_value(faults(&text)).expect("json");
    assert_eq!(json["faults"][0]["line"], 12);
    assert_eq!(json["file"], "c.toml");
}

#[test]
fn long_lines_are_cut_round_the_caret() {
    let text = format!("{BASE}[server]\n{}drain_grace = 5{}\n", " ".repeat(5000), " ".repeat(5000));
    let shown = faults(&text).to_string();
    assert!(shown.lines().all(|line| line.chars().count() < 200), "{shown}");
    assert!(shown.contains("drain_grace = 5"));
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault() {
    let folder = tempfile::tempdir().expect("folder");
    let missing = config::load(&folder.path().join("none.toml")).expect_err("missing");
    assert!(missing.to_string().contains("cannot be read"), "{missing}");
    assert_eq!(missing.faults[0].line, 0);
    let path = folder.path().join("latin.toml");
    std::fs::write(&path, b"[server]\n# caf\xe9\n").expect("written");
    let latin = config::load(&path).expect_err("latin");
    assert_eq!((latin.faults[0].line, latin.faults[0].column), (2, 6), "{latin}");
    std::fs::write(&path, BASE).expect("written");
    assert!(config::load(&path).is_ok());
}

#[test]
fn a_channel_nobody_has_room_for_is_a_warning() {
    let agent = "[[tenants.agents]]\nid = \"a\"\nteam = \"team-a\"\nskills = { french = 3 }\ncapacity = 50\n";
    let config = config::parse(&format!("{BASE}{agent}"), "c.toml").expect("good");
    let said: Vec<&str> = config.warnings.faults.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(said.len(), 2, "voice and video: {said:?}");
    let cost = "[[tenants.channels]]\nid = \"chat\"\ncost = 60\n";
    let config = config::parse(&format!("{BASE}{cost}{agent}"), "c.toml").expect("good");
    assert_eq!((config.warnings.faults[0].line, config.warnings.faults[0].column), (B + 3, 8));
}

#[test]
fn many_faults_are_counted_and_cut() {
    let text: String = (0..3000).map(|n| format!("key{n} = 1\n")).collect();
    let found = faults(&format!("{text}{BASE}"));
    assert_eq!(found.faults.len(), config::fault::FAULTS);
    assert_eq!(found.count(), 3000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_it_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, any::<u8>()), 1..6),
    ) {
        let mut bytes = config::EXAMPLE.as_bytes().to_vec();
        for (index, kind, byte) in edits {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                2 => bytes.insert(at, b"[]{}\"'=#.,\n\\"[byte as usize % 12]),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Err(found) = config::parse(&text, "c.toml") {
            prop_assert!(found.count() > 0);
            let _ = found.to_string();
        }
    }
}

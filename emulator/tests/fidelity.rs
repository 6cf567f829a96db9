//! The generated tables of README.md: how each room knows what AWS does, and which AWS operations
//! are answered. The test fails when a table is stale; `scripts/fidelity` writes them anew.
//!
//! A rule (`//#`) counts once. It is documented if its source (`//=`) is AWS's documentation, AWS's
//! service model or a standard; observed if the source is somebody's transcript or measurement, or
//! if it says `observed` or `measured`; verified if it says on which day the client tests saw it on
//! AWS. `//? assumed:` is a guess, and says so.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where AWS, or who wrote the standard, says it themselves.
const DOCUMENTATION: &[&str] = &[
    "https://docs.aws.amazon.com/",
    "https://docs.oasis-open.org/",
    "https://www.rfc-editor.org/",
    "https://datatracker.ietf.org/",
    "https://smithy.io/",
    "https://github.com/awsdocs/",
    "https://github.com/boto/botocore/",
];

/// How many sources the table names.
const SOURCES: usize = 10;

#[test]
fn the_tables_of_the_readme_are_fresh() {
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let mut fresh = readme.clone();
    for (name, table) in [("fidelity", fidelity()), ("operations", operations())] {
        fresh = replace(&fresh, name, &table);
    }
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(&path, fresh).unwrap();
    } else {
        assert!(readme == fresh, "README.md: a table is stale; run scripts/fidelity");
    }
}

#[test]
fn a_rule_counts_once_by_its_best_source() {
    let mut marks = Marks::default();
    marks.read(
        &"= https://docs.aws.amazon.com/iot/x.html\n# said by AWS,\n# at length\n\
          = https://docs.aws.amazon.com/iot/x.html\n# measured 2026-09-19: the opposite\n\
          = https://example.com/x\n# somebody saw it\n\
          = https://example.com/x\n= https://docs.oasis-open.org/x\n# both say it\n\
          = https://docs.aws.amazon.com/iot/y.html\n# verified 2026-11-21: it is so\n\
          ? assumed: the rest\n? of it\n"
            .lines()
            .map(|line| format!("//{}\n", line.trim()))
            .collect::<String>(),
    );
    assert_eq!(marks.counts, [2, 2, 1, 1]);
    assert_eq!(marks.sources["docs.aws.amazon.com/iot"], 3);
}

/// The rules of one room.
#[derive(Default)]
struct Marks {
    /// Documented, observed, verified, assumed.
    counts: [usize; 4],
    /// Rules by source.
    sources: BTreeMap<String, usize>,
}

impl Marks {
    fn read(&mut self, text: &str) {
        let mut sources: Vec<&str> = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(source) = line.strip_prefix("//= ") {
                sources.push(source);
            } else if line.starts_with("//? assumed: ") {
                self.counts[3] += 1;
            } else if let Some(rule) = line.strip_prefix("//# ") {
                if !sources.is_empty() {
                    self.rule(rule, &std::mem::take(&mut sources));
                }
            } else {
                sources.clear();
            }
        }
    }

    fn rule(&mut self, rule: &str, sources: &[&str]) {
        let documented = |source: &&str| DOCUMENTATION.iter().any(|home| source.starts_with(home));
        let seen = ["observed", "measured"].iter().any(|word| rule.starts_with(word));
        let status = match rule {
            _ if rule.starts_with("verified ") => 2,
            _ if seen || !sources.iter().any(documented) => 1,
            _ => 0,
        };
        self.counts[status] += 1;
        for source in sources {
            *self.sources.entry(short(source)).or_default() += 1;
        }
    }
}

/// Whose source it is: the host, with the guide or the repository where one host has many.
fn short(source: &str) -> String {
    let parts: Vec<&str> = source.trim_start_matches("https://").split('/').collect();
    let length = match parts[0] {
        "docs.aws.amazon.com" => 2,
        "github.com" => 3,
        _ => 1,
    };
    parts[..length.min(parts.len())].join("/")
}

fn fidelity() -> String {
    let mut rooms: BTreeMap<String, Marks> = BTreeMap::new();
    let source = root().join("emulator/src");
    for path in rust_files(&source) {
        let inside = path.strip_prefix(&source).expect("below it").to_string_lossy().into_owned();
        let room = inside.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        rooms.entry(room).or_default().read(&fs::read_to_string(&path).expect("UTF-8"));
    }
    let mut table = String::from(
        "| room | documented | observed | verified on AWS | assumed |\n|---|--:|--:|--:|--:|\n",
    );
    let (mut all, mut sources) = ([0; 4], BTreeMap::<String, usize>::new());
    for (room, marks) in rooms.iter().filter(|(_, marks)| marks.counts != [0; 4]) {
        let [documented, observed, verified, assumed] = marks.counts;
        table += &format!("| `{room}` | {documented} | {observed} | {verified} | {assumed} |\n");
        all.iter_mut().zip(marks.counts).for_each(|(sum, count)| *sum += count);
        for (source, count) in &marks.sources {
            *sources.entry(source.clone()).or_default() += count;
        }
    }
    let [documented, observed, verified, assumed] = all;
    table += &format!("| all | {documented} | {observed} | {verified} | {assumed} |\n");
    let mut sources: Vec<(String, usize)> = sources.into_iter().collect();
    sources.sort_by(|(a, left), (b, right)| right.cmp(left).then(a.cmp(b)));
    table.push_str("\n| most-used sources | rules |\n|---|--:|\n");
    for (source, count) in sources.iter().take(SOURCES) {
        table += &format!("| {source} | {count} |\n");
    }
    table
}

/// From the rows of `aws_api/operations.rs`: `row(Service, "Operation", …`.
fn operations() -> String {
    let text =
        fs::read_to_string(root().join("emulator/src/aws_api/operations.rs")).expect("the table");
    let mut services: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines() {
        let Some((service, rest)) =
            line.trim().strip_prefix("row(").and_then(|row| row.split_once(", \""))
        else {
            continue;
        };
        let (operation, _) = rest.split_once('"').expect("a closing quote");
        services.entry(service).or_default().push(operation);
    }
    assert!(services.len() >= 4, "the rows of operations.rs look different now: {services:?}");
    let mut table = String::from("| service | operations | |\n|---|--:|---|\n");
    for (service, mut operations) in services {
        operations.sort_unstable();
        let count = operations.len();
        let service = text_name(&text, service);
        table += &format!("| `{service}` | {count} | {} |\n", operations.join(" "));
    }
    table
}

/// What the AWS CLI calls `service`: `Self::Iot => "iot"` in the table's own file.
fn text_name<'a>(text: &'a str, service: &'a str) -> &'a str {
    let arm = format!("Self::{service} => \"");
    text.split_once(&arm).and_then(|(_, rest)| rest.split('"').next()).unwrap_or(service)
}

/// `readme` with `table` between the markers of `name`.
fn replace(readme: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = readme.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end}"));
    format!("{before}{begin}{table}{end}{after}")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

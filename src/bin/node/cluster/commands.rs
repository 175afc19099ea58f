//! Commands in the words in which they can be typed: how to start a member, and what to try next.

use std::env;
use std::path::{Path, PathBuf};

use super::view::View;
use crate::local::{DEFAULT_SIZE, LocalMember};
use crate::urls::Url;

/// How the members of this cluster are started, and how our programs are called from another terminal.
pub struct Commands {
    size: u8,
    base_dir: Option<PathBuf>,
    /// The flags that all members share.
    shared: Vec<String>,
    node: String,
    ctl: String,
}

impl Commands {
    /// Commands for a cluster of `size` whose directories stand in `base_dir` and whose members share the arguments
    /// `shared`.
    pub fn new(size: u8, base_dir: Option<PathBuf>, shared: Vec<String>) -> Commands {
        let called_as = PathBuf::from(env::args_os().next().unwrap_or_else(|| "node".into()));
        let (node, ctl) = programs(&called_as, env::var_os("CARGO").is_some(), Path::is_file);
        Commands { size, base_dir, shared, node, ctl }
    }

    /// The arguments with which a member is started.
    pub fn member_arguments(&self, member: LocalMember) -> Vec<String> {
        let mut arguments = vec!["--id".to_owned(), member.id().to_string()];
        if self.size != DEFAULT_SIZE {
            arguments.extend(["--size".to_owned(), self.size.to_string()]);
        }
        if self.base_dir.is_some() {
            arguments.extend(["--data-dir".to_owned(), self.data_dir(member)]);
        }
        arguments.extend(self.shared.iter().cloned());
        arguments
    }

    /// The directory of a member.
    pub fn data_dir(&self, member: LocalMember) -> String {
        match &self.base_dir {
            Some(base) => base.join(member.data_dir()).display().to_string(),
            None => member.data_dir(),
        }
    }

    /// What to type to start a member by hand.
    pub fn restart(&self, member: LocalMember) -> String {
        let arguments = self.member_arguments(member);
        let quoted: Vec<String> = arguments.iter().map(|argument| quote(argument)).collect();
        format!("{} {}", self.node, quoted.join(" "))
    }

    /// What to try next, with the commands for it.
    pub fn suggestions(&self, view: &View) -> String {
        let ctl = &self.ctl;
        let every: Vec<Url> = view.members().iter().map(|known| known.member.client_url()).collect();
        let endpoints = crate::urls::join(&every);
        let mut lines = vec![
            "Try, in another terminal (etcdctl takes the same commands):".to_owned(),
            format!("  {ctl} put hello world"),
        ];
        if let Some(other) = view.members().last().filter(|_| view.members().len() > 1) {
            lines.push(format!("  {ctl} --endpoints={} get hello", other.member.client_url()));
        }
        lines.push(format!("  {ctl} --endpoints={endpoints} endpoint status -w table"));
        if let Some((leader, pid)) = view.leader().and_then(|leader| Some((leader, leader.pid?))) {
            let name = leader.member.name();
            let then =
                if view.members().len() > 2 { "the others elect another" } else { "writes wait for it" };
            lines.push(format!(
                "  kill -9 {pid}      # crashes {name}, the leader: {then}, and nothing is lost"
            ));
            lines.push(format!("  {}      # brings {name} back", self.restart(leader.member)));
        }
        lines.push("Ctrl-C here stops all members.".to_owned());
        lines.join("\n")
    }
}

/// How to call `node` and `ctl`, if this program was called as `called_as`: by their names alone where the shell finds
/// them, by their paths otherwise. `cargo run` builds the one program that it runs, so it is asked for `ctl` too.
fn programs(called_as: &Path, by_cargo: bool, exists: impl Fn(&Path) -> bool) -> (String, String) {
    let node = quote(&called_as.display().to_string());
    let ctl = called_as.with_file_name("ctl");
    let on_path = called_as.parent().is_none_or(|dir| dir.as_os_str().is_empty());
    if by_cargo && !exists(&ctl) {
        let release = called_as.components().any(|part| part.as_os_str() == "release");
        let profile = if release { "--release " } else { "" };
        return (node, format!("cargo run -q {profile}--bin ctl --"));
    }
    (node, if on_path { "ctl".to_owned() } else { quote(&ctl.display().to_string()) })
}

/// A word as a shell takes it.
fn quote(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "/._-=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(size: u8, base_dir: Option<&str>, shared: &[&str]) -> Commands {
        let shared = shared.iter().map(|&word| word.to_owned()).collect();
        Commands {
            size,
            base_dir: base_dir.map(PathBuf::from),
            shared,
            node: "node".into(),
            ctl: "ctl".into(),
        }
    }

    fn member(number: u64) -> LocalMember {
        LocalMember::new(number, 6).expect("one of six")
    }

    #[test]
    fn a_member_is_restarted_with_what_it_was_started_with() {
        assert_eq!(commands(3, None, &[]).restart(member(2)), "node --id 2");
        let commands = commands(5, Some("my dir"), &["--heartbeat-interval", "10"]);
        assert_eq!(
            commands.restart(member(5)),
            "node --id 5 --size 5 --data-dir 'my dir/node5.etcd' --heartbeat-interval 10"
        );
    }

    #[test]
    fn programs_are_called_as_the_shell_finds_them() {
        let programs =
            |called_as: &str, by_cargo, exists| programs(Path::new(called_as), by_cargo, |_: &Path| exists);
        let pair = |node: &str, ctl: &str| (node.to_owned(), ctl.to_owned());
        assert_eq!(programs("node", false, false), pair("node", "ctl"));
        assert_eq!(programs("/opt/rw/node", false, true), pair("/opt/rw/node", "/opt/rw/ctl"));
        assert_eq!(
            programs("target/release/node", true, true),
            pair("target/release/node", "target/release/ctl")
        );
        let by_cargo = programs("target/release/node", true, false);
        assert_eq!(by_cargo, pair("target/release/node", "cargo run -q --release --bin ctl --"));
        assert_eq!(programs("target/debug/node", true, false).1, "cargo run -q --bin ctl --");
    }

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quote("a/b-c_1=x"), "a/b-c_1=x");
        assert_eq!(quote("it's here"), r"'it'\''s here'");
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn the_suggestions_name_every_client_address() {
        let view = View::new(LocalMember::all(3).map(|member| (member, 1)));
        let text = commands(3, None, &[]).suggestions(&view);
        assert!(text.contains("\n  ctl put hello world\n"), "{text}");
        assert!(text.contains("--endpoints=http://127.0.0.1:32379 get hello"), "{text}");
        assert!(
            text.contains(
                "http://127.0.0.1:2379,http://127.0.0.1:22379,http://127.0.0.1:32379 endpoint status"
            ),
            "{text}"
        );
    }
}

//! What a package puts beside the binary.

use std::io::Write;
use std::process::{Command, Stdio};

use super::text;
use crate::harness::run;

/// The commands that help lists.
fn commands() -> Vec<String> {
    let help = text(&run(&["--help"]).stdout);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    listed.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_shell_gets_its_completions() {
    let names = commands();
    assert!(names.len() > 8, "{names:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        let script = text(&output.stdout);
        assert!(output.status.success() && names.iter().all(|name| script.contains(name)), "{shell}");
        assert!(script.contains("exit-code"), "{shell}");
    }
    assert_eq!(run(&["completions", "cmd"]).status.code(), Some(2));
}

#[test]
fn bash_reads_its_completions() {
    let script = run(&["completions", "bash"]).stdout;
    let asked =
        "\nCOMP_WORDS=(hoptrail query --fol); COMP_CWORD=2; _hoptrail hoptrail --fol query; echo \"${COMPREPLY[@]}\"\n";
    let mut bash = Command::new("bash").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(&[&script, asked.as_bytes()].concat()).unwrap();
    assert_eq!(text(&bash.wait_with_output().unwrap().stdout), "--follow\n");
}

#[test]
fn every_command_has_a_page_of_the_manual() {
    let page = text(&run(&["man"]).stdout);
    assert!(page.contains(".TH hoptrail 1") && page.contains("hoptrail\\-query(1)"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/man");
    assert!(run(&["man", "--out", out.to_str().unwrap()]).status.success());
    for name in commands() {
        let page = std::fs::read_to_string(out.join(format!("hoptrail-{name}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}");
    }
    assert!(out.join("hoptrail.1").exists());
}

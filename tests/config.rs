//! Configurations: every shipped file is good, bad ones give exactly the recorded errors, snippets pass the
//! programs they are for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

use correlated::config;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == ending))
        .collect();
    all.sort();
    assert!(!all.is_empty());
    all
}

#[test]
fn shipped_configurations_are_good() {
    let examples = files(&root().join("config/generic"), "toml");
    for file in files(&root().join("config"), "toml")
        .into_iter()
        .chain(examples)
    {
        if file.ends_with("reference.toml") {
            continue; // without a source, on purpose: see below
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let loaded = config::load(&text, "/etc/correlated");
        assert!(loaded.is_ok(), "{}: {:?}", file.display(), loaded.err());
    }
}

#[test]
fn the_reference_is_what_the_program_knows() {
    let file = root().join("config/reference.toml");
    let now = config::reference();
    if std::env::var_os("CORRELATED_REWRITE").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), now);
    // With a source, the reference is a configuration in which everything stands at its default.
    let source = "[[source]]\nname = \"a\"\nkind = \"nagios\"\n";
    let full = config::load(&format!("{now}\n{source}"), "").unwrap();
    let bare = config::load(source, "").unwrap();
    assert_eq!(full.rules, bare.rules);
}

#[test]
fn bad_configurations_give_all_their_errors_with_their_place() {
    let rewrite = std::env::var_os("CORRELATED_REWRITE").is_some();
    for file in files(&root().join("tests/fixtures/config"), "toml") {
        let text = std::fs::read_to_string(&file).unwrap();
        let problems = config::load(&text, "/etc/correlated")
            .err()
            .unwrap_or_default();
        let name = file.file_name().unwrap().to_str().unwrap();
        let found: String = problems.iter().map(|p| p.show(name) + "\n").collect();
        assert!(!found.contains("hunter2"), "a secret is repeated:\n{found}");
        let expected = file.with_extension("expected");
        if rewrite {
            std::fs::write(&expected, &found).unwrap();
        } else {
            assert_eq!(
                std::fs::read_to_string(&expected).unwrap_or_default(),
                found,
                "{name}"
            );
        }
        assert!(!found.is_empty(), "{name} has no error");
    }
}

/// Runs a checker, if it is installed.
fn judged(program: &str, arguments: &[&str]) {
    match Command::new(program)
        .args(arguments)
        .current_dir(root().join("config/prometheus"))
        .output()
    {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program} {arguments:?}: {text}");
        }
        Err(error) => println!("{program} is not here ({error}): its snippet is not judged"),
    }
}

#[test]
fn snippets_pass_the_programs_they_are_for() {
    judged("promtool", &["check", "config", "prometheus.yml"]);
    judged("promtool", &["check", "rules", "correlated.rules.yml"]);
    judged("amtool", &["check-config", "alertmanager.yml"]);
}

#[test]
fn the_nagios_snippet_passes_nagios() {
    let nagios = ["/usr/sbin/nagios4", "/usr/sbin/nagios"]
        .into_iter()
        .find(|p| Path::new(p).exists());
    let Some(nagios) = nagios else {
        return println!("nagios is not here: its snippet is not judged");
    };
    let folder = std::env::temp_dir().join(format!("correlated-nagios-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("spool")).unwrap();
    // As root, nagios becomes its own user, who must be able to write here.
    for path in [folder.clone(), folder.join("spool")] {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(path, open).unwrap();
    }
    let at = folder.display();
    let snippet = root().join("config/nagios/commands.cfg");
    let objects = "define timeperiod {\n timeperiod_name 24x7\n alias always\n monday 00:00-24:00\n}\n\
        define command {\n command_name ok\n command_line /bin/true\n}\n\
        define host {\n host_name a\n alias a\n address 192.0.2.1\n max_check_attempts 1\n check_command ok\n \
        check_period 24x7\n notification_period 24x7\n notification_interval 60\n contacts correlated\n}\n\
        define service {\n host_name a\n service_description s\n max_check_attempts 1\n check_command ok\n check_interval 1\n \
        retry_interval 1\n check_period 24x7\n notification_period 24x7\n notification_interval 60\n contacts correlated\n}\n";
    std::fs::write(folder.join("objects.cfg"), objects).unwrap();
    let main = format!(
        "cfg_file={at}/objects.cfg\ncfg_file={}\nlog_file={at}/log\nobject_cache_file={at}/cache\nstatus_file={at}/status\n\
         temp_file={at}/tmp\ntemp_path={at}\ncheck_result_path={at}/spool\nlock_file={at}/lock\nillegal_macro_output_chars=`~$&|'\"<>\n",
        snippet.display()
    );
    std::fs::write(folder.join("nagios.cfg"), main).unwrap();
    let output = Command::new(nagios)
        .arg("-v")
        .arg(folder.join("nagios.cfg"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("Total Warnings: 0"), "{text}");
}

//! The table of commands.

use super::*;

#[test]
fn the_table_of_commands_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_shows_an_example_of_itself() {
    fn check(command: &clap::Command, path: &str) {
        let mut leaf = true;
        for inner in command
            .get_subcommands()
            .filter(|inner| inner.get_name() != "help")
        {
            leaf = false;
            check(inner, &format!("{path} {}", inner.get_name()));
        }
        let help = command.get_after_help().map(ToString::to_string);
        let shows = help.is_some_and(|help| help.contains(path));
        assert!(shows || !leaf, "{path} has no example");
    }
    check(&Cli::command(), "keystall");
}

#[test]
fn a_flag_for_the_folder_stands_anywhere() {
    for arguments in [
        ["keystall", "--dir", "/x", "product", "list"],
        ["keystall", "product", "list", "--dir", "/x"],
    ] {
        let cli = Cli::try_parse_from(arguments).ok();
        assert_eq!(cli.and_then(|cli| cli.dir), Some(PathBuf::from("/x")));
    }
}

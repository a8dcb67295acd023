//! `groundlink completion`: prints a script that lets a shell complete this program's commands and
//! flags.

use super::Cli;
use super::output::print_bytes;
use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::{Shell, generate};
use std::process::ExitCode;

/// The program by which kubectl completes the words after `kubectl groundlink`. kubectl gives it the
/// words, the last of which is unfinished, and reads one candidate a line and a directive: `:4` is
/// no files, `:0` is what the shell does by itself.
const KUBECTL: &str = r#"#!/usr/bin/env bash
# Completes the words after `kubectl groundlink`. Put it on the PATH as kubectl_complete-groundlink.
program=kubectl-groundlink
command -v "$program" >/dev/null || program=groundlink
eval "$("$program" completion bash)" || exit 1
function=$(complete -p groundlink) || exit 1
function=${function#*-F }
function=${function%% *}
COMP_WORDS=(groundlink "$@")
COMP_CWORD=$#
COMPREPLY=()
"$function" groundlink "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
if [ "${#COMPREPLY[@]}" -eq 0 ]; then
  echo ":0"
else
  printf '%s\n' "${COMPREPLY[@]}" ":4"
fi
"#;

/// Print a script that completes this program's commands and flags in a shell.
///
/// For `kubectl groundlink`, save the script of kubectl as kubectl_complete-groundlink on the PATH,
/// executable; it needs bash and serves every shell that kubectl completes in.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  source <(groundlink completion bash)\n  groundlink completion zsh >\"${fpath[1]}/_groundlink\"\n  \
        groundlink completion fish >~/.config/fish/completions/groundlink.fish\n  groundlink completion powershell | Out-String | \
        Invoke-Expression\n  groundlink completion kubectl >/usr/local/bin/kubectl_complete-groundlink && chmod +x \
        /usr/local/bin/kubectl_complete-groundlink\n\nExit codes: 0 done, 1 failed, 2 wrong usage."
)]
pub(super) struct Arguments {
    /// The shell, or kubectl.
    #[arg(value_enum)]
    shell: For,
}

/// The reader of the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum For {
    Bash,
    Zsh,
    Fish,
    Powershell,
    /// As a plugin: `kubectl groundlink`.
    Kubectl,
}

/// Runs the command.
pub(super) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let shell = match arguments.shell {
        For::Bash => Shell::Bash,
        For::Zsh => Shell::Zsh,
        For::Fish => Shell::Fish,
        For::Powershell => Shell::PowerShell,
        For::Kubectl => {
            print_bytes(KUBECTL.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let mut script = Vec::new();
    // Always by this name: the script for bash completes no second word of a program with a dash.
    generate(shell, &mut Cli::command(), "groundlink", &mut script);
    print_bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}

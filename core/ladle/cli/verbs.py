"""The verbs of the `ladle` command: each is a module, imported when it is called."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from pathlib import Path

import click

from .. import __version__
from ..errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, LadleError, Problem, RecipeError

_VERBS = {
    "new": "Write a recipe to begin with.",
    "run": "Run recipes: from raw data to a trained, measured model.",
    "check": "Find every mistake in recipes without running them.",
    "predict": "Use a trained model on texts or on the rows of a file.",
    "plugins": "List the installed plugins and what they offer.",
    "runs": "List the runs there have been.",
    "show": "Show what a run did and what its models are worth.",
    "rejects": "Show the rows that a run rejected, and why.",
    "trace": "Show what happened to a row of a run, stage by stage.",
    "compare": "Show what several runs are worth, side by side.",
    "ablate": "Find out whether the techniques of a recipe help.",
    "diff": "Show what differs between two runs.",
    "store": "List what the store holds, or remove what no run uses any more.",
    "schema": "Print the JSON Schema of recipes, for editors.",
}
_SHORT = ("check", "plugins", "schema", "runs", "show", "diff", "trace")  # over before garbage matters


class _Verbs(click.Group):
    """Ladle's own verbs, then those of plugins; a broken plugin's are left out and told by `ladle plugins`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from ..registry import installed

        return [*_VERBS, *sorted(set(installed().commands) - set(_VERBS))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from ..registry import installed, load_target

        if cmd_name in _VERBS:
            command: click.Command = import_module(f".{cmd_name}", __package__).command
            return command
        target = installed().commands.get(cmd_name)
        try:
            return load_target(target) if target is not None else None
        except Exception as error:
            message = f"the command `{cmd_name}` of a plugin cannot be imported: {type(error).__name__}: {error}"
            raise RecipeError(Problem("plugin", message, "tell the author of the plugin")) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = list(_VERBS.items())
        with formatter.section("Commands"):
            formatter.write_dl(own)
        others = self.list_commands(ctx)[len(own) :]
        if others:
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, self._help_of(ctx, name)) for name in others])

    def _help_of(self, ctx: click.Context, name: str) -> str:
        try:
            command = self.get_command(ctx, name)
        except LadleError:  # a plugin's fault is no reason for `--help` to fail
            return "(cannot be imported)"
        return command.get_short_help_str(limit=80) if command else ""


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="ladle %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def _ladle(ctx: click.Context, debug: bool) -> None:
    """Train language models from TOML recipes, every step of it a plugin.

    Begin with `ladle check recipes/quickstart.toml`, then `ladle run` it.
    """
    ctx.obj = debug
    if ctx.invoked_subcommand not in _SHORT:
        gc.enable()


def call() -> None:
    """Do what the command line says: errors become messages and exit codes."""
    debug = "--debug" in sys.argv
    try:
        sys.exit(_ladle.main(args=_debug_first(sys.argv[1:]), prog_name="ladle", standalone_mode=False))
    except LadleError as error:
        if debug:
            import traceback

            traceback.print_exc()
        elif not error.is_shown:
            click.echo(error, err=True)
        sys.exit(error.exit_code)
    except OSError as error:  # a full disk, a folder that may not be written
        if debug:
            raise
        from ..disk import disk_problem

        problem = disk_problem(error, Path.cwd()) or Problem("system", str(error))
        click.echo(problem.render(), err=True)
        sys.exit(EXIT_FAILED)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_USAGE)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted: run the same command again to go on", err=True)
        sys.exit(EXIT_INTERRUPTED)


def _debug_first(arguments: list[str]) -> list[str]:
    """`--debug` works anywhere on the command line."""
    rest = [argument for argument in arguments if argument != "--debug"]
    return ["--debug", *rest] if len(rest) < len(arguments) else rest

"""The `vigie` command: one file a group of sub-commands.

`app.py` holds the sub-commands and their options, `service.py` runs `vigie serve`, `show.py` turns events and figures
into lines and tables, `output.py` prints them, `configuration.py` loads YAML and prints what is wrong with it,
`can.py` asks the rules, `sites.py` keeps what partners of sites have told, `large_pages.py` gives `vigie serve` its
memory in large pages. `objects.py` and `keys.py` are the clients of the control service. `sim`, `load`, `probe`,
`site`, `inspect`, `journal`, `bench` and `demo` live in their own packages and are imported when asked for.

Exit codes: 0 done; 1 it failed while running; 2 what was given is wrong (options, YAML).
"""

import sys

from vigie.cli.large_pages import start_anew_if_worthwhile


def main() -> None:
    """The entry point of the `vigie` command."""
    if sys.argv[1:2] == ["serve"] and not any(word.partition("=")[0] == "--state" for word in sys.argv):
        start_anew_if_worthwhile()
    from vigie.cli.app import run

    run()

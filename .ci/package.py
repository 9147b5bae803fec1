#!/usr/bin/env python3
"""Makes the release artefacts: target/package/<architecture>/<function>.zip, each with its `bootstrap`, and SHA256SUMS.

    .ci/package.py                                   all functions, x86_64 and arm64 (needs cargo-lambda)
    .ci/package.py --architecture arm64 ingest       one function and architecture
    .ci/package.py --from target/lambda ingest       packs an existing build, <function>/bootstrap

Builds are reproducible: entries have the time of the commit (SOURCE_DATE_EPOCH, if that is set), one name, mode and
compression; programs are built with Cargo.lock and contain no path of this machine. Compilers of another version make other
programs.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "target" / "package"
FLAGS = {"x86_64": "--x86-64", "arm64": "--arm64"}


def main():
    functions = re.findall(r"BuildProperties: \{Binary: ([a-z]+)\}", (ROOT / "sam" / "template.yaml").read_text())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help=f"of {', '.join(functions)}")
    parser.add_argument("--architecture", action="append", choices=list(FLAGS))
    parser.add_argument("--from", dest="built", type=Path, metavar="DIR", help="pack the programs in DIR instead of building")
    args = parser.parse_args()
    wanted = args.functions or functions
    if unknown := set(wanted) - set(functions):
        parser.error(f"no function {', '.join(sorted(unknown))}")
    if args.built and len(args.architecture or []) != 1:
        parser.error("--from needs exactly one --architecture, that of the build")
    for architecture in args.architecture or list(FLAGS):
        built = args.built or build(architecture, wanted)
        folder = OUT / architecture
        folder.mkdir(parents=True, exist_ok=True)
        sums = []
        for name in sorted(wanted):
            packed = folder / f"{name}.zip"
            pack(built / name / "bootstrap", packed)
            sums.append(f"{hashlib.sha256(packed.read_bytes()).hexdigest()}  {packed.name}\n")
        (folder / "SHA256SUMS").write_text("".join(sums))
        print(f"{folder.relative_to(ROOT)}:\n{''.join(sums)}", end="")


def build(architecture, functions):
    """Makes release builds that contain no path of this machine."""
    target = OUT / "build" / architecture
    home = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
    flags = [f"--remap-path-prefix={ROOT}=/package", f"--remap-path-prefix={home}=/cargo"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch()), "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags)}
    binaries = [word for name in functions for word in ("--bin", name)]
    command = ["cargo", "lambda", "build", "--release", "--locked", FLAGS[architecture], "--lambda-dir", str(target), *binaries]
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        sys.exit(f"`{' '.join(command)}` failed")
    return target


def epoch():
    """The time of the commit, in seconds since 1970."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    said = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return int(said.stdout)


def pack(program, out):
    if not program.is_file():
        sys.exit(f"no {program}")
    entry = zipfile.ZipInfo("bootstrap", max(time.gmtime(epoch())[:6], (1980, 1, 1, 0, 0, 0)))
    entry.create_system = 3  # Unix, on any machine
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(out, "w", compresslevel=9) as archive:
        archive.writestr(entry, program.read_bytes())


if __name__ == "__main__":
    main()

"""Try the Dockerfile's steps one by one, in a bare folder, where there is no Docker.

Each COPY and RUN is done as written, in a new folder with an environment of its own (what the
base image's Python is), from a clone that holds what git holds. Then a container's rules: the
folder is read-only but for the volume, the user is one without a name, and a model is trained.

    python containers/rehearse.py [FOLDER]

FOLDER is empty or not there yet; without one a temporary folder is used, and goes again. What
only a daemon can show is left out, and said so: the base image itself, its layers, networks.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DOCKERFILE = REPOSITORY / "containers" / "Dockerfile"
DONE_HERE = ("ARG", "COPY", "ENV", "RUN", "WORKDIR")
LEFT_OUT = ("CMD", "FROM", "USER")
UNKNOWN_USER = 23_456
TRAIN = ("digitflow", "train", "--config", "configs/digits.yaml")


def main(folder):
    """Do all steps; return the exit code of the first that fails, else 0."""
    image, context = folder / "app", folder / "context"
    image.mkdir(parents=True)
    subprocess.run(["git", "clone", "-q", REPOSITORY, context], check=True)
    subprocess.run([sys.executable, "-m", "venv", folder / "python"], check=True)
    environ = os.environ | {
        "PATH": f"{folder / 'python' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    }
    for number, (word, rest) in enumerate(read_steps(DOCKERFILE.read_text()), start=1):
        print(f"{number:2d} {word} {rest}{' (left out)' * (word in LEFT_OUT)}", flush=True)
        if code := do_step(word, rest, image, context, environ):
            return code
    return train_as_nobody(folder, image, environ)


def read_steps(text):
    """Return (word, rest) of each step of a Dockerfile."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], " ".join(line.split()[1:])) for line in joined.splitlines()]


def do_step(word, rest, image, context, environ):
    """Do one step in the image's folder; return an exit code."""
    if word == "RUN":
        return subprocess.run(["sh", "-c", rest], cwd=image, env=environ).returncode
    if word == "COPY":
        copy(*shlex.split(rest), context=context, image=image)
    elif word in ("ARG", "ENV"):
        environ.update(pair.partition("=")[::2] for pair in shlex.split(rest))
    elif word not in (*DONE_HERE, *LEFT_OUT):
        raise SystemExit(f"{DOCKERFILE}: no step {word} is known here; teach it to this script")
    return 0


def copy(*names, context, image):
    """Copy as COPY does, without what .dockerignore names: by its last part alone."""
    *sources, target = names
    for source in sources:
        if source == ".":
            ignored = [line.rpartition("/")[2] for line in read_ignored(context)]
            shutil.copytree(
                context, image, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*ignored)
            )
        else:
            shutil.copy(context / source, image / target)


def read_ignored(context):
    """Return the lines of .dockerignore."""
    return (context / ".dockerignore").read_text().split()


def train_as_nobody(folder, image, environ):
    """Train as a user without rights, who may write to the volume and to one other folder."""
    volume, scratch = image / "artifacts-volume", folder / "tmp"
    scratch.mkdir()
    scratch.chmod(0o1777)
    said = {"DIGITFLOW_ARTIFACTS": str(volume), "HOME": str(scratch), "TMPDIR": str(scratch)}
    said["MPLCONFIGDIR"] = str(scratch / "matplotlib")
    subprocess.run(["chmod", "-R", "a-w", "--", *(p for p in image.iterdir() if p != volume)])
    image.chmod(0o555)
    who, prefix = choose_user()
    print(f"   {' '.join(TRAIN)}, as {who}, in a read-only folder", flush=True)
    code = subprocess.run([*prefix, *TRAIN], cwd=image, env=environ | said).returncode
    subprocess.run(["chmod", "-R", "u+w", "--", image])
    return code


def choose_user():
    """Return who trains, in words, and the command that makes us that user."""
    if os.getuid() != 0:
        return "whoever called this", []
    python = Path(sys.executable).resolve()
    if all(path.stat().st_mode & 0o001 for path in (python, *python.parents)):
        ids = [f"--reuid={UNKNOWN_USER}", f"--regid={UNKNOWN_USER}", "--clear-groups"]
        return f"user {UNKNOWN_USER}, who has no name", ["setpriv", *ids]
    rights = "-dac_override,-dac_read_search"
    who = f"root without its rights, since nobody else may run {python}"
    return who, ["setpriv", "--bounding-set", rights, "--inh-caps", rights]


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(main(Path(sys.argv[1]).resolve()))
    with tempfile.TemporaryDirectory() as work:
        Path(work).chmod(0o755)  # for the user without a name
        sys.exit(main(Path(work) / "image"))

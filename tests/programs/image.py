"""Writes a container image as a Docker archive, without a registry.

image.py NAME ARCHIVE PAUSE

The image has the folders and links of a merged /usr, and the program PAUSE as /pause; the host's /usr is mounted into
containers of it.
"""
import hashlib
import io
import json
import sys
import tarfile

NAME, ARCHIVE, PAUSE = sys.argv[1:4]


def added(archive, name, kind, content=b"", link="", mode=0o755):
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(content), link
    archive.addfile(entry, io.BytesIO(content))


def layer():
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for folder in ("dev", "etc", "proc", "run", "sys", "tmp", "usr"):
            added(archive, folder, tarfile.DIRTYPE)
        for folder in ("bin", "lib", "lib64", "sbin"):
            added(archive, folder, tarfile.SYMTYPE, link="usr/" + folder)
        with open(PAUSE, "rb") as program:
            added(archive, "pause", tarfile.REGTYPE, program.read())
    return data.getvalue()


content = layer()
config = json.dumps({
    "architecture": "amd64",
    "os": "linux",
    "config": {"Entrypoint": ["/pause"], "Env": ["PATH=/usr/bin:/bin"]},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(content).hexdigest()]},
}).encode()
config_name = hashlib.sha256(config).hexdigest() + ".json"
manifest = json.dumps([{"Config": config_name, "RepoTags": [NAME], "Layers": ["layer.tar"]}]).encode()
with tarfile.open(ARCHIVE, "w") as archive:
    added(archive, "layer.tar", tarfile.REGTYPE, content, mode=0o644)
    added(archive, config_name, tarfile.REGTYPE, config, mode=0o644)
    added(archive, "manifest.json", tarfile.REGTYPE, manifest, mode=0o644)

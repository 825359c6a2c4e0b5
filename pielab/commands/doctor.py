"""What this machine has: versions, processors, GPUs, the cache, and whether the Hub can be reached."""

import importlib.util
import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version

from pielab.arguments import parser_for
from pielab.store.cache import cache_folder

# Packages, each with the extra of pielab that has it, or None if every installation has it.
PACKAGES = dict.fromkeys(("datasets", "numpy", "pandas")) | dict.fromkeys(("torch", "transformers"), "train")
PACKAGES |= dict.fromkeys(("papermill", "snakemake", "jupyterlab"), "study")
HUB = "https://huggingface.co"
SECONDS = 5


def main(arguments: list[str], program: str = "pielab doctor") -> int:
    """Print what is there, with the cure of what is missing; exit status 1 if anything needed is."""
    parser = parser_for(
        program,
        "Print versions, processors, GPUs, the cache and whether the Hub can be reached; what is missing "
        "stands with its cure.",
        "for example: pielab doctor --offline",
    )
    parser.add_argument("--offline", action="store_true", help="do not try the network")
    given = parser.parse_args(arguments)
    missing = [*_versions(), *_hardware(), *_cache()]
    print(f"Hub         {'not tried' if given.offline else _hub()}")
    for line in missing:
        print(f"missing: {line}")
    return 1 if missing else 0


def _versions() -> list[str]:
    from pielab import __version__

    print(f"pielab      {__version__}, Python {platform.python_version()}, {platform.platform()}")
    missing = []
    for name, extra in PACKAGES.items():
        try:
            print(f"  {name:<12} {version(name)}")
        except PackageNotFoundError:
            if extra:
                print(f"  {name:<12} not installed; what needs it: pip install 'pielab[{extra}]'")
            else:
                missing.append(f"{name}: pip install {name}, or make the environment anew by environment.yml")
    return missing


def _hardware() -> list[str]:
    import psutil

    memory = psutil.virtual_memory()
    print(f"processors  {psutil.cpu_count()}")
    print(f"memory      {memory.available / 2**30:.0f} of {memory.total / 2**30:.0f} GiB free")
    if importlib.util.find_spec("torch") is None:
        return []
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    mps = ["Apple's (mps)"] if torch.backends.mps.is_available() else []
    print(f"GPUs        {', '.join(gpus + mps) or 'none; everything works without'}")
    if not gpus and shutil.which("nvidia-smi"):
        return [
            f"CUDA for torch {torch.__version__}, which sees no GPU here: install the build of torch for your driver"
        ]
    return []


def _cache() -> list[str]:
    from pielab.data.assets import ASSETS

    folder = cache_folder()
    there = [name for name, asset in ASSETS.items() if (folder / asset.filename).exists()]
    absent = [name for name in ASSETS if name not in there]
    print(f"cache       {folder}: {', '.join(there) or 'nothing fetched'}")
    if absent:
        print(f"            fetched when first used, or by pielab fetch: {', '.join(absent)}")
    near = next(each for each in (folder, *folder.parents) if each.exists())
    print(f"            {shutil.disk_usage(near).free / 2**30:.0f} GiB free there")
    return [] if os.access(near, os.W_OK) else [f"a folder to write to: set PIELAB_CACHE to another than {folder}"]


def _hub() -> str:
    """Whether the Hub answers; HF_HUB_OFFLINE=1 means that it is not asked."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return "not used, because HF_HUB_OFFLINE is set"
    from urllib import error, request

    try:
        with request.urlopen(request.Request(HUB, method="HEAD"), timeout=SECONDS):
            return "reached"
    except error.HTTPError:
        return "reached"
    except (OSError, ValueError) as failed:
        reason = getattr(failed, "reason", failed)
        return f"not reached ({reason}): models and data sets from files here work, those by a Hub id do not"

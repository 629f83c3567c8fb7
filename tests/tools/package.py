"""Makes a wheel of ``weather.py`` and has pip install it, as an operator would."""

import subprocess
import sys
import zipfile
from pathlib import Path

SOURCE = Path(__file__).with_name("weather.py")


def install(folder: Path, entry_points: dict[str, str]) -> Path:
    """The directory, for ``sys.path``, that ``pip install --target`` has filled."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / "voicebot_weather-1.0-py3-none-any.whl"
    info = "voicebot_weather-1.0.dist-info"
    lines = "\n".join(f"{name} = {target}" for name, target in entry_points.items())
    files = {
        "voicebot_weather.py": SOURCE.read_text(),
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: voicebot-weather\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[voicebot.tools]\n{lines}\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
    target = folder / "installed"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--target", str(target), str(wheel)], check=True)
    return target

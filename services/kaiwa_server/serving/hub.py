"""Where a model's files are: a folder, a Hugging Face repository, or the one inside the package."""

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from kaiwa_server.errors import CheckpointError

EMBEDDED_MODEL_DIR = Path(__file__).parent.parent / "tiny-moshi"

# Never pickles.
_PATTERNS = ("*.safetensors", "*.json", "*.model")


def resolve_model_dir(model_dir: Path | None, hf_repo: str | None) -> Path:
    """Gives the folder of the model's files, after downloading them if they are a repository's.

    A repository that was downloaded before is found again without network.

    Raises:
        CheckpointError: both are given, the folder is missing, or the download failed.
    """
    if hf_repo is None:
        folder = model_dir or EMBEDDED_MODEL_DIR
        if not folder.is_dir():
            raise CheckpointError(f"{folder} is not a folder: give the model's with --model-dir")
        return folder
    if model_dir is not None:
        raise CheckpointError("give --model-dir or --hf-repo, not both")
    try:
        return Path(snapshot_download(hf_repo, allow_patterns=list(_PATTERNS)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"cannot download {hf_repo} from Hugging Face "
            f"({type(error).__name__}: {str(error).splitlines()[0]}): check its name, the network "
            "and, for a gated repository, the HF_TOKEN variable; or give a folder with the same "
            "files with --model-dir"
        ) from error

"""Files of results: written atomically, verified when read, safe to load."""

from mfsym.stores.archives import Archive, encode, load
from mfsym.stores.datasets import content_digest, open_result, save, save_result
from mfsym.stores.folders import Folder, folder_of
from mfsym.stores.publishing import publish

__all__ = [
    "Archive",
    "Folder",
    "content_digest",
    "encode",
    "folder_of",
    "load",
    "open_result",
    "publish",
    "save",
    "save_result",
]

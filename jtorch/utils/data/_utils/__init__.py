"""How loaders work inside: making batches, fetching samples, worker processes."""

from jtorch.utils.data._utils import collate, fetch, pin_memory, worker
from jtorch.utils.data._utils.exceptions import ExceptionWrapper, KeyErrorMessage

#: Seconds between looks at whether processes are alive, and the grace they get to end.
MP_STATUS_CHECK_INTERVAL = 5.0
HAS_NUMPY = True
IS_WINDOWS = False

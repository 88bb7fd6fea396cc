"""The scripts that run inside the store. Each touches only KEYS[1], so they run on a cluster too."""

from dataclasses import dataclass, field
from hashlib import sha1

from hangtag.store.entry import Outcome

# Versions are compared byte by byte: Lua's numbers lose exactness above 2^53, `<` on its strings follows the locale.
_COMPARE = """
local function compare(old, new, from)
  for i = from, from + 7 do
    local was, is = string.byte(old, i), string.byte(new, i)
    if is > was then return 1 end
    if is < was then return -1 end
  end
  return 0
end
"""

# ARGV: the value, seconds to live (0: for good). 18 bytes of the old value tell header, and whether a payload follows.
_WRITE = (
    _COMPARE
    + """
local old, new = redis.call('GETRANGE', KEYS[1], 0, 17), ARGV[1]
if #old >= 17 and string.byte(old, 1) == string.byte(new, 1) then
  local order = compare(old, new, 2)
  if order < 0 then return 0 end
  if order == 0 then
    local was_deleted, is_deleted = #old == 17, #new == 17
    if was_deleted then return is_deleted and 2 or 0 end
    if not is_deleted and string.sub(old, 10, 17) == string.sub(new, 10, 17) then return 2 end
  end
end
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], new)
else
  redis.call('SET', KEYS[1], new, 'EX', ARGV[2])
end
return 1
"""
)

# ARGV: the version, seconds to live. The same version again lives longer.
_SEE = (
    _COMPARE
    + """
local old = redis.call('GET', KEYS[1])
if old and #old == 8 and compare(old, ARGV[1], 1) < 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""
)

OUTCOMES = {0: Outcome.OLDER, 1: Outcome.WRITTEN, 2: Outcome.SAME}


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the hash by which the store knows it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.text.encode(), usedforsecurity=False).hexdigest())


WRITE = Script(_WRITE)
SEE = Script(_SEE)

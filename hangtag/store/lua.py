"""Pieces of Lua that the scripts share. Positions are those of hangtag/store/value.py, counted from 1."""

from hangtag.store.value import FORMAT, MARK_FORMAT

# Numbers are compared byte by byte: Lua's numbers lose exactness above 2^53, and `<` on its strings follows the locale.
COMPARE = """
local function compare(old, new, from, to)
  for i = from, to do
    local was, is = string.byte(old, i), string.byte(new, i)
    if is > was then return 1 end
    if is < was then return -1 end
  end
  return 0
end
"""

# A key of another type counts as one that holds nothing: the third result says so. Other errors of the read, such as a
# missing permission, are the second one, and end the script.
GET = """
local function get(...)
  local found = redis.pcall(...)
  if type(found) == 'table' and found.err then
    if not string.find(found.err, 'WRONGTYPE', 1, true) then return '', found end
    return '', nil, true
  end
  return found or ''
end
"""

# What no program of this format can have written counts as nothing, as it does for those that read it. `value` is the
# header and the byte behind it, if there is one.
HEADER = f"""
local function header(value)
  if #value < 50 or string.byte(value, 1) ~= {FORMAT} then return '' end
  if string.byte(value, 10) ~= (#value == 50 and 1 or 0) then return '' end
  if string.byte(value, 2) > 127 or string.byte(value, 11) > 127 or string.byte(value, 19) > 127 then return '' end
  return value
end
"""

# `mark` gives a mark of an earlier release today's form. `keep` stores the mark `seen` without what the stored version,
# with the header `held`, makes needless: all of it, or that a version was refused (which has no time to live). `before`
# is the mark that is there. True: there is one now.
MARK = f"""
local NEVER = string.rep('\\0', 8)
local function mark(value)
  if #value == 8 then return string.char({MARK_FORMAT}) .. value .. NEVER .. string.rep('\\255', 12) end
  return #value == 29 and string.byte(value, 1) == {MARK_FORMAT} and value or ''
end
local function keep(key, before, seen, held, ttl)
  local refused = string.sub(seen, 10, 17)
  if held ~= '' then
    if compare(held, seen, 2, 9) <= 0 then
      if before ~= '' then redis.call('DEL', key) end
      return false
    end
    if compare(string.sub(held, 2, 9), refused, 1, 8) <= 0 then refused = NEVER end
  end
  seen = string.sub(seen, 1, 9) .. refused .. string.sub(seen, 18)
  if refused ~= NEVER then
    redis.call('SET', key, seen)
  else
    redis.call('SET', key, seen, 'EX', ttl)
  end
  return true
end
"""

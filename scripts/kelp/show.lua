-- How values are shown to a person: any Lua value, connectors, and aligned text tables.
-- Nothing here prints: each function returns text that a terminal can be given as it is.
local raw = require "kelp.raw"

local show = {}

local DEFAULT_WIDTH, DEFAULT_LIMIT = 80, 100
local MAX_DEPTH = 20      -- nesting beyond it is cut, not followed
local MAX_VALUES = 10000  -- so is a table that refers to its parts again and again
local HIDDEN = "<hidden>"

-- Texts -------------------------------------------------------------------------------------

local function escape_bytes(bytes)
  return (bytes:gsub(".", function(c) return ("\\x%02x"):format(c:byte()) end))
end

-- Characters beyond ASCII that a terminal obeys or a reader does not see (text_deceptive has the
-- same ones): C1 controls, marks and controls of direction, line separators, what has no width.
local DECEPTIVE = {
  { 0x80, 0x9F }, { 0x61C, 0x61C }, { 0x180E, 0x180E }, { 0x200B, 0x200F }, { 0x2028, 0x202E },
  { 0x2060, 0x206F }, { 0xFEFF, 0xFEFF }, { 0xFFF9, 0xFFFB }, { 0xE0000, 0xE007F },
}

local function hide_deceptive(text)
  return (text:gsub(utf8.charpattern, function(c)
    if #c == 1 then return nil end
    local code = utf8.codepoint(c)
    for _, range in ipairs(DECEPTIVE) do
      if code >= range[1] and code <= range[2] then return escape_bytes(c) end
    end
  end))
end

-- Bytes that a terminal would obey, or that are not UTF-8, become \xNN; those in `keep` stay.
local function printable(text, keep)
  if not text:find("[\0-\31\127-\255]") then return text end
  local parts, at = {}, 1
  while at <= #text do
    local good, bad = utf8.len(text, at)
    local stop = good and #text + 1 or bad
    local part = text:sub(at, stop - 1)
    part = part:gsub("[\0-\31\127]", function(c)
      if not keep:find(c, 1, true) then return escape_bytes(c) end
    end)
    if part:find("[\128-\255]") then part = hide_deceptive(part) end
    parts[#parts + 1] = part
    if not good then parts[#parts + 1] = escape_bytes(text:sub(bad, bad)) end
    at = stop + 1
  end
  return table.concat(parts)
end

local LONGEST_LINE <const> = 2000 -- bytes of a text that are looked at for one line

-- The beginning of a long text, as whole characters.
local function beginning(text, most)
  if #text <= most then return text end
  return text:sub(1, (utf8.offset(text, 0, most + 1) or most + 1) - 1) .. "…"
end

local CAUSE <const> = "\nCaused by: "

-- What a Java trace is about: the message of the root cause, without the package of its class. A
-- text that is no trace is as it is.
local function root_cause(text)
  if not text:find("\n%s+at ") and not text:find(CAUSE, 1, true) then return text end
  local start, at = 1, 1
  repeat
    local _, stop = text:find(CAUSE, at, true)
    if stop then start, at = stop + 1, stop + 1 end
  until not stop
  local line = text:sub(start, (text:find("\n", start, true) or 0) - 1)
  return (line:gsub("^[%l%d_]+%.[%w_.]*%.([%u][%w_$]*)", "%1"))
end

-- A text for one line of a table: line ends and tabs are spaces there.
local function one_line(text)
  return (printable(text:gsub("[\t\r\n]+", " "), ""):gsub("^ +", ""):gsub(" +$", ""))
end

-- Columns that a character takes: 0 for what joins the one before it, 2 for East Asian wide.
local function char_width(c)
  if c < 0x300 then return 1 end
  if c <= 0x36F or (c >= 0x200B and c <= 0x200F) or (c >= 0x20D0 and c <= 0x20FF)
      or (c >= 0xFE00 and c <= 0xFE0F) then return 0 end
  if (c >= 0x1100 and c <= 0x115F) or (c >= 0x2E80 and c <= 0xA4CF) or (c >= 0xAC00 and c <= 0xD7A3)
      or (c >= 0xF900 and c <= 0xFAFF) or (c >= 0xFE30 and c <= 0xFE6F)
      or (c >= 0xFF00 and c <= 0xFF60) or (c >= 0x1F300 and c <= 0x1F64F)
      or (c >= 0x1F900 and c <= 0x1F9FF) or (c >= 0x20000 and c <= 0x3FFFD) then return 2 end
  return 1
end

local function text_width(text)
  if not text:find("[\128-\255]") then return #text end
  local width = 0
  for _, c in utf8.codes(text) do width = width + char_width(c) end
  return width
end

-- At most `width` columns of the text; what is cut off leaves "…".
local function cut(text, width)
  if text_width(text) <= width then return text end
  local used, stop = 0, 0
  for at, c in utf8.codes(text) do
    used = used + char_width(c)
    if used > width - 1 then break end
    stop = at + #utf8.char(c) - 1
  end
  return width > 0 and text:sub(1, stop) .. "…" or ""
end

-- Secrets -----------------------------------------------------------------------------------

-- True for a key whose value is nobody's business. A key whose value may hold a secret among other
-- things is none: see hide_in_text.
-- With a text as the value: not if it is a reference such as ${file:…}.
function show.is_secret_key(key, value)
  if type(key) ~= "string" then return false end
  local _, whole = raw.is_secret_key(key, value)
  return whole
end

-- The password in scheme://user:password@host goes, and so do ?password=… and ;password=… . A
-- password may hold a '/' that should have been encoded: hidden up to the last '@', unless what
-- follows the colon is a port.
local function hide_in_text(text)
  text = raw.redact(text) -- before it is cut: what is left of a secret is not known any more
  if text:find("://", 1, true) then
    text = text:gsub("(%a[%w+.-]*://[^%s/?#:@\"]*:)([^%s\"]*)@", function(before, password)
      if password ~= "" and not password:find("^%d+[/?#]") then return before .. HIDDEN .. "@" end
    end)
  end
  if text:find("=", 1, true) then
    text = text:gsub("([?&;])([%w_.-]+)=([^%s&;\"]+)", function(mark, key)
      if show.is_secret_key(key) then return mark .. key .. "=" .. HIDDEN end
    end)
  end
  return text
end

-- Providers send asterisks in place of a secret, and an empty value is worth seeing.
local function hides_something(value)
  if type(value) ~= "string" then return type(value) == "number" end
  return value ~= "" and not raw.is_mask(value) and value ~= "*"
end

-- Values ------------------------------------------------------------------------------------

local function kelp_field(name)
  local kelp = package.loaded.kelp
  return type(kelp) == "table" and rawget(kelp, name) or nil
end

local function metafield(value, name)
  local meta = getmetatable(value)
  return type(meta) == "table" and rawget(meta, name) or nil
end

-- The null of kelp.json, and that of any other JSON library: a bare NULL pointer.
local function is_null(value)
  if type(value) ~= "userdata" then return false end
  return rawequal(value, kelp_field("null"))
    or (getmetatable(value) == nil and tostring(value) == "userdata: (nil)")
end

local function is_connector(value)
  return type(value) == "table" and metafield(value, "__name") == "kelp.connector"
end

local function text_of_object(value)
  local ok, text = pcall(tostring, value)
  return ok and text or "<" .. type(value) .. " that cannot be shown: " .. tostring(text) .. ">"
end

local function text_of_number(value)
  if value ~= value then return "nan" end
  local text = tostring(value)
  return math.type(value) == "float" and tonumber(text) ~= value and ("%.17g"):format(value) or text
end

local ESCAPES = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\" }

local function quoted(text)
  return '"' .. printable(text:gsub('[\n\t\r"\\]', ESCAPES), "") .. '"'
end

-- The text of anything but a plain table, on one line; nil for a plain table.
local function atom(value, hide)
  if hide and hides_something(value) then return HIDDEN end
  local kind = type(value)
  if kind == "string" then return quoted(hide_in_text(value)) end
  if kind == "number" then return text_of_number(value) end
  if is_null(value) then return "null" end
  if is_connector(value) then
    return one_line(("<connector %s, %s>"):format(rawget(value, "name"), rawget(value, "state")))
  end
  if kind == "table" and not metafield(value, "__tostring") then return nil end
  return one_line(hide_in_text(text_of_object(value)))
end

local RANK = { number = 1, string = 2, boolean = 3 }

local function key_before(a, b)
  local rank_a, rank_b = RANK[type(a)] or 4, RANK[type(b)] or 4
  if rank_a ~= rank_b then return rank_a < rank_b end
  if rank_a <= 2 then return a < b end
  return text_of_object(a) < text_of_object(b)
end

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
  return then true until while]]):gmatch("%a+") do KEYWORDS[word] = true end

local function key_text(key)
  if type(key) ~= "string" then return "[" .. (atom(key) or "table") .. "] = " end
  if key:find("^[%a_][%w_]*$") and not KEYWORDS[key] then return key .. " = " end
  return "[" .. quoted(key) .. "] = "
end

-- The first `limit` entries { label, value, hide } in the order in which they are shown, and how
-- many more there are. Raw access: showing a value runs none of its code.
local function entries_of(value, hide, limit)
  local length = 0
  while rawget(value, length + 1) ~= nil do length = length + 1 end
  local keys = {}
  for key in next, value do
    if math.type(key) ~= "integer" or key < 1 or key > length then keys[#keys + 1] = key end
  end
  table.sort(keys, key_before)
  -- { name = "sasl.password", value = "…" }, as some replies spell a pair
  local pair = rawget(value, "name") or rawget(value, "key")
  local entries, total = {}, length + #keys
  for i = 1, math.min(total, limit) do
    local key = keys[i - length]
    local item = key ~= nil and rawget(value, key)
    if i <= length then
      entries[i] = { label = "", value = rawget(value, i), hide = hide }
    else
      entries[i] = {
        label = key_text(key), value = item,
        hide = hide or show.is_secret_key(key, item)
          or (key == "value" and show.is_secret_key(pair, item)),
      }
    end
  end
  return entries, total - #entries
end

-- The value on one line of at most `room` columns, or nil.
local function flat(state, value, hide, room)
  local text = atom(value, hide)
  if not text and state.path[value] then text = "<cycle>" end
  if text then return text_width(text) <= room and text or nil end
  local count = 0
  for _ in next, value do
    count = count + 1
    if count * 3 > room or count > state.limit then return nil end
  end
  if count == 0 then return "{}" end
  state.path[value] = true
  local parts, used = {}, 4
  for i, entry in ipairs((entries_of(value, hide, count))) do
    used = used + text_width(entry.label) + (i > 1 and 2 or 0)
    local part = flat(state, entry.value, entry.hide, room - used)
    if not part then
      state.path[value] = nil
      return nil
    end
    used = used + text_width(part)
    parts[i] = entry.label .. part
  end
  state.path[value] = nil
  return "{ " .. table.concat(parts, ", ") .. " }"
end

-- Lines filled with short parts, as a paragraph is with words.
local function fill(parts, room)
  local lines, line = {}, ""
  for _, part in ipairs(parts) do
    local longer = line == "" and part or line .. " " .. part
    if line ~= "" and text_width(longer) > room then
      lines[#lines + 1] = line
      longer = part
    end
    line = longer
  end
  lines[#lines + 1] = line
  return lines
end

-- The value on as many lines as it takes; the first starts in column `used`.
local function full(state, value, hide, indent, used)
  state.left = state.left - 1
  local line = flat(state, value, hide, state.width - used) or atom(value, hide)
  if line then return line end
  if #indent > 2 * MAX_DEPTH or state.left <= 0 then return "{ … }" end

  state.path[value] = true
  local entries, more = entries_of(value, hide, state.limit)
  local inner, parts, fillable = indent .. "  ", {}, true
  for i, entry in ipairs(entries) do
    local start = #inner + text_width(entry.label)
    local part = entry.label .. full(state, entry.value, entry.hide, inner, start + 1) .. ","
    fillable = fillable and entry.label == "" and atom(entry.value, entry.hide) ~= nil
      and text_width(part) <= state.width // 3
    parts[i] = part
  end
  state.path[value] = nil
  if fillable then parts = fill(parts, state.width - #inner) end
  if more > 0 then parts[#parts + 1] = "… " .. more .. " more" end
  return "{\n" .. inner .. table.concat(parts, "\n" .. inner) .. "\n" .. indent .. "}"
end

-- Connectors --------------------------------------------------------------------------------

local function running_tasks(tasks)
  if type(tasks) ~= "table" then return "" end
  local running = 0
  for _, task in ipairs(tasks) do
    if type(task) == "table" and task.state == "running" then running = running + 1 end
  end
  return running .. "/" .. #tasks
end

local function count_keys(value)
  local count = 0
  for _ in next, value do count = count + 1 end
  return count
end

-- What a cell or a line of a connector's block says, on one line.
local function line_text(value, hide)
  if value == nil then return "" end
  if hide and hides_something(value) then return HIDDEN end
  -- Redacted before it is cut, with so much of what follows that a secret at the cut is known.
  if type(value) == "string" then
    local near = beginning(value, 8 * LONGEST_LINE)
    return one_line(beginning(hide_in_text(near), LONGEST_LINE))
  end
  return atom(value, hide) or flat({ path = {}, limit = DEFAULT_LIMIT }, value, hide, 1000) or "{ … }"
end

local function connector_block(connector, width)
  local lines = { "connector " .. line_text(rawget(connector, "name")) }
  local function add(label, value)
    local text = line_text(value)
    if text ~= "" then lines[#lines + 1] = ("  %-8s %s"):format(label, text) end
  end
  local tasks, topics = rawget(connector, "tasks"), rawget(connector, "topics")
  local created, config = rawget(connector, "created"), rawget(connector, "config")
  for _, key in ipairs { "id", "class", "type", "state" } do add(key, rawget(connector, key)) end
  if type(tasks) == "table" and #tasks > 0 then add("tasks", running_tasks(tasks) .. " running") end
  if type(topics) == "table" and #topics > 0 then
    local names = {}
    for i, topic in ipairs(topics) do names[i] = tostring(topic) end
    add("topics", table.concat(names, ", "))
  end
  if math.type(created) and os and os.date then
    local ok, date = pcall(os.date, "!%Y-%m-%d %H:%M:%S UTC", created // 1 | 0)
    add("created", ok and date or created)
  end
  if type(config) == "table" then add("config", count_keys(config) .. " keys") end
  local problem = rawget(connector, "error")
  add("error", type(problem) == "string" and root_cause(problem) or problem)
  for _, task in ipairs(type(tasks) == "table" and tasks or {}) do
    if type(task) == "table" and (task.state ~= "running" or task.error) then
      local label = "task " .. tostring(task.id)
      add(label, line_text(task.state) .. (task.error and ": " .. line_text(task.error) or ""))
    end
  end
  for i, line in ipairs(lines) do lines[i] = cut(line, width) end
  return table.concat(lines, "\n")
end

local function is_list_of_connectors(value)
  local length = 0
  while is_connector(rawget(value, length + 1)) do length = length + 1 end
  return length > 0 and count_keys(value) == length
end

-- Tables ------------------------------------------------------------------------------------

local function column_of(column)
  if type(column) == "string" then column = { key = column } end
  local title = column.title or tostring(column.key):upper()
  return { key = column.key, title = one_line(title), align = column.align }
end

local function cell_text(row, key)
  local value
  if is_connector(row) then
    value = rawget(row, key)
    if key == "tasks" then value = running_tasks(value) end
    if key == "class" and type(value) == "string" then value = value:match("[^.]+$") or value end
  else
    value = row[key]
  end
  if key == "error" and type(value) == "string" then value = root_cause(value) end
  return line_text(value, show.is_secret_key(key, value)), math.type(value) ~= nil
end

-- Takes columns away from the widest until the sum fits; the first, which says what the row is
-- about, gives only when no other can.
local function shrink(widths, least, room)
  local total = 0
  for _, width in ipairs(widths) do total = total + width end
  while total > room do
    local widest
    for i = 2, #widths do
      if widths[i] > least[i] and (not widest or widths[i] > widths[widest]) then widest = i end
    end
    if not widest and widths[1] > least[1] then widest = 1 end
    if not widest then return end
    widths[widest] = widths[widest] - 1
    total = total - 1
  end
end

local function width_of(options)
  local width = options and options.width
  if width == nil then
    local settings = kelp_field("settings")
    width = type(settings) == "table" and settings.width
    if width == nil then width = DEFAULT_WIDTH end
  end
  return width or math.huge
end

-- rows: tables by column key (connectors are such). columns: keys, or { key, title, align }.
-- options.width: columns of the terminal, false for no limit. Text without a last newline.
function show.table(rows, columns, options)
  local heads, cells, widths, least = {}, {}, {}, {}
  for j, column in ipairs(columns) do
    heads[j] = column_of(column)
    widths[j] = text_width(heads[j].title)
    least[j] = math.max(widths[j], 4)
  end
  for i, row in ipairs(rows) do
    cells[i] = {}
    for j, head in ipairs(heads) do
      local text, number = cell_text(row, head.key)
      cells[i][j] = text
      widths[j] = math.max(widths[j], text_width(text))
      if text ~= "" then head.numbers = head.numbers ~= false and number end
    end
  end
  shrink(widths, least, width_of(options) - 2 * (#heads - 1))

  local function line_of(texts)
    local parts = {}
    for j, head in ipairs(heads) do
      local text = cut(texts[j], widths[j])
      local space = (" "):rep(widths[j] - text_width(text))
      local right = head.align == "right" or (head.align == nil and head.numbers)
      parts[j] = right and space .. text or text .. space
    end
    return (table.concat(parts, "  "):gsub(" +$", ""))
  end

  local titles, lines = {}, {}
  for j, head in ipairs(heads) do titles[j] = head.title end
  lines[1] = line_of(titles)
  for i = 1, #cells do lines[i + 1] = line_of(cells[i]) end
  return table.concat(lines, "\n")
end

-- A text on one line, with the passwords in addresses left out.
function show.line(text)
  return line_text(text)
end

-- Any value, for a person. options: width (as above), limit (entries of one table that are shown).
function show.value(value, options)
  local width = width_of(options)
  local limit = options and options.limit or DEFAULT_LIMIT
  if type(value) == "string" then return printable(hide_in_text(value), "\n\t") end
  if is_connector(value) then return connector_block(value, width) end
  if metafield(value, "__tostring") and not is_null(value) then
    return printable(hide_in_text(text_of_object(value)), "\n\t")
  end
  if type(value) ~= "table" then return atom(value) end
  if is_list_of_connectors(value) then
    local text = show.table(table.move(value, 1, math.min(#value, limit), 1, {}),
      { "name", "class", "type", "state", "tasks", "error" }, { width = options and options.width })
    return #value > limit and text .. "\n… " .. #value - limit .. " more" or text
  end
  if width == math.huge then width = DEFAULT_WIDTH end -- a table is laid out, never cut
  local state = { width = width, limit = limit, left = MAX_VALUES, path = {} }
  return full(state, value, false, "", 0)
end

return show

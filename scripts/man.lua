-- What scripts/man asks of pandoc beyond Markdown: the conventions of manual pages.

-- Code is bold, as in the pages of others. A word of it that is long, for a line or for the cell of a
-- table that it is in, may be broken after the signs of paths and names.
local function code(element, long)
    local parts = pandoc.List()
    for space, word in element.text:gmatch("(%s*)(%S*)") do
        if space ~= "" then
            parts:insert(pandoc.Str(space))
        end
        if #word < long and not word:find("^[/.]") then
            parts:insert(pandoc.Str(word))
        else
            for piece, stop in word:gmatch("([^/=_%.:-]*)([/=_%.:-]*)") do
                parts:insert(pandoc.Str(piece .. stop))
                if stop ~= "" and (piece ~= "" or stop == "/") then
                    parts:insert(pandoc.RawInline("man", "\\:"))
                end
            end
        end
    end
    return pandoc.Strong(parts)
end

-- What pandoc takes for the width of a page, and what is between two columns, in characters.
local PAGE, BETWEEN = 70, 3

-- The longest word, the longest cell and the length of all cells of each column.
local function measure(simple)
    local columns = pandoc.List()
    local rows = simple.rows:clone()
    rows:insert(simple.headers)
    for _, row in ipairs(rows) do
        for at, cell in ipairs(row) do
            local column = columns[at] or { word = 0, cell = 0, all = 0 }
            -- A number is not broken at its point.
            local text = pandoc.utils.stringify(cell):gsub("(%d)%.(%d)", "%1,%2")
            for word in text:gmatch("[^%s/=_.:-]+") do
                column.word = math.max(column.word, utf8.len(word) + 1)
            end
            column.cell = math.max(column.cell, utf8.len(text) + 1)
            column.all = column.all + utf8.len(text)
            columns[at] = column
        end
    end
    return columns
end

-- The columns of a table that is wider than a page: each has its longest word, and what is left is
-- shared by the length of the cells; none gets more than it can use.
local function widths(simple)
    local columns = measure(simple)
    local rest, wanted, shares = PAGE - BETWEEN * #columns, 0, 0
    for at, column in ipairs(columns) do
        column.at, column.share = at, math.sqrt(column.all)
        column.more = column.cell - column.word
        rest, wanted, shares = rest - column.word, wanted + column.more, shares + column.share
    end
    if wanted <= rest then
        return simple.widths
    end
    local found = {}
    table.sort(columns, function(a, b)
        return a.more / a.share < b.more / b.share
    end)
    for _, column in ipairs(columns) do
        local more = math.min(column.more, rest * column.share / shares)
        found[column.at] = (column.word + more) / PAGE
        rest, shares = rest - more, shares - column.share
    end
    return found
end

return {
    -- Tables first: their code is told from other code.
    {
        Table = function(element)
            local simple = pandoc.utils.to_simple_table(element)
            simple.widths = widths(simple)
            return {
                -- Hyphens of nobody's make names in narrow cells unreadable.
                pandoc.RawBlock("man", ".nh"),
                pandoc.utils.from_simple_table(simple):walk {
                    Code = function(cell)
                        return code(cell, 12)
                    end,
                },
                pandoc.RawBlock("man", ".hy"),
            }
        end,
    },
    {
        Code = function(element)
            return code(element, 24)
        end,
        -- A message may be longer than a line; it has no hyphens but its own.
        CodeBlock = function(element)
            if element.classes:includes("message") then
                local lines = pandoc.List()
                for line in element.text:gmatch("[^\n]+") do
                    lines:insert(pandoc.Para(pandoc.Inlines(line)))
                end
                return {
                    pandoc.RawBlock("man", ".nh"),
                    pandoc.BlockQuote(lines),
                    pandoc.RawBlock("man", ".hy"),
                }
            end
        end,
        -- A link to another page is its name.
        Link = function(element)
            if not element.target:find("://") then
                return pandoc.Strong(element.content)
            end
        end,
    },
    {
        -- The title of a page is in its header already, and its sections are the first level.
        Pandoc = function(document)
            local title = document.blocks:remove(1)
            local page, section = pandoc.utils.stringify(title):match("^([%w-]+)%((%d)%)$")
            document.meta.title = page:upper()
            document.meta.section = section
            document.blocks = document.blocks:walk {
                Header = function(header)
                    header.level = header.level - 1
                    return header
                end,
            }
            -- Lines that are spread to the right edge leave holes beside long names.
            document.blocks:insert(1, pandoc.RawBlock("man", ".ad l\n.if n .pl 9999v"))
            return document
        end,
    },
}

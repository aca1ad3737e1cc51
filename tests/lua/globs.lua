-- What chooses by name and what helps when one is misspelt, as kelp's Lua sees it.
local lu = require "luaunit"
local raw = require "kelp.raw"

TestSelection = {}

function TestSelection.test_globs()
  lu.assertIsTrue(raw.glob_matches("orders-*", "orders-1"))
  lu.assertIsFalse(raw.glob_matches("orders", "orders-1"))
  lu.assertIsFalse(raw.glob_matches("a*", "a\0b"))
  lu.assertEquals(raw.glob_fault "x[", "has a '[' without its ']'")
  lu.assertEquals(raw.glob_fault "x\0", "holds a NUL")
  lu.assertNil(raw.glob_fault "x[a]")
end

function TestSelection.test_the_nearest_of_an_array()
  lu.assertEquals(raw.nearest("faild", { "running", 7, "failed" }), "failed")
  lu.assertNil(raw.nearest("faild", {}))
  lu.assertNil(raw.nearest("faild", { {}, 7 }))
  lu.assertErrorMsgContains("table expected", raw.nearest, "faild")
end

package routing

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// function is one that expressions can call: its code and its type.
type function struct {
	do func(args ...any) (any, error)
	as any
}

// functions are what administrators can call. Each of nothing is nothing.
func functions() map[string]function {
	onText := func(f func(string) any) function {
		return function{as: new(func(any) any), do: func(args ...any) (any, error) {
			if s, ok := args[0].(string); ok {
				return f(s), nil
			}
			return nil, nil
		}}
	}
	return map[string]function{
		"lower": onText(func(s string) any { return strings.ToLower(s) }),
		"upper": onText(func(s string) any { return strings.ToUpper(s) }),
		"trim":  onText(func(s string) any { return strings.TrimSpace(s) }),
		"len": {as: new(func(any) any), do: func(args ...any) (any, error) {
			switch v := args[0].(type) {
			case string:
				return len([]rune(v)), nil
			case []any:
				return len(v), nil
			}
			return nil, nil
		}},
	}
}

// binary names the operation that stands in for each operator. The names
// cannot be written in an expression: only functions can be called.
var binary = map[string]string{
	"==": "_eq", "!=": "_ne", "<": "_lt", "<=": "_le", ">": "_gt", ">=": "_ge",
	"in": "_in", "contains": "_contains", "startsWith": "_starts", "endsWith": "_ends", "matches": "_matches",
	"+": "_add", "-": "_sub", "*": "_mul", "/": "_div", "%": "_mod", "**": "_pow", "^": "_pow",
}

func logical(op string) bool { return op == "and" || op == "or" || op == "&&" || op == "||" }

// total replaces every operation by one that bears missing values.
type total struct{}

// Visit is called for every part of the expression, innermost first.
func (total) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BinaryNode:
		_, leftNil := n.Left.(*ast.NilNode)
		_, rightNil := n.Right.(*ast.NilNode)
		switch {
		case logical(n.Operator):
			n.Left, n.Right = apply("_true", n.Left), apply("_true", n.Right)
		case (leftNil || rightNil) && (n.Operator == "==" || n.Operator == "!="):
			// Asking whether a value is there is the one comparison with nothing that makes sense.
		case binary[n.Operator] != "":
			ast.Patch(node, apply(binary[n.Operator], n.Left, n.Right))
		}
	case *ast.UnaryNode:
		switch n.Operator {
		case "not", "!":
			n.Node = apply("_true", n.Node)
		case "-":
			ast.Patch(node, apply("_sub", &ast.IntegerNode{Value: 0}, n.Node))
		case "+":
			ast.Patch(node, n.Node)
		}
	case *ast.ConditionalNode:
		n.Cond = apply("_true", n.Cond)
	case *ast.MemberNode:
		ast.Patch(node, apply("_get", n.Node, n.Property))
	}
}

func apply(name string, args ...ast.Node) ast.Node {
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: args}
}

func operations() map[string]function {
	test := func(f func(a, b any) bool) function {
		return function{as: new(func(any, any) bool), do: func(args ...any) (any, error) {
			return args[0] != nil && args[1] != nil && f(args[0], args[1]), nil
		}}
	}
	texts := func(f func(a, b string) bool) function {
		return test(func(a, b any) bool {
			s, ok := a.(string)
			t, too := b.(string)
			return ok && too && f(s, t)
		})
	}
	arith := func(f func(a, b float64) float64) function {
		return function{as: new(func(any, any) any), do: func(args ...any) (any, error) {
			a, ok := number(args[0])
			b, too := number(args[1])
			if !ok || !too {
				return nil, nil
			}
			return f(a, b), nil
		}}
	}
	add := arith(func(a, b float64) float64 { return a + b })
	return map[string]function{
		"_eq":       test(equal),
		"_ne":       test(func(a, b any) bool { return !equal(a, b) }),
		"_lt":       test(func(a, b any) bool { c, ok := order(a, b); return ok && c < 0 }),
		"_le":       test(func(a, b any) bool { c, ok := order(a, b); return ok && c <= 0 }),
		"_gt":       test(func(a, b any) bool { c, ok := order(a, b); return ok && c > 0 }),
		"_ge":       test(func(a, b any) bool { c, ok := order(a, b); return ok && c >= 0 }),
		"_in":       test(within),
		"_contains": texts(strings.Contains),
		"_starts":   texts(strings.HasPrefix),
		"_ends":     texts(strings.HasSuffix),
		"_matches": texts(func(s, pattern string) bool {
			ok, err := regexp.MatchString(pattern, s)
			return err == nil && ok
		}),
		"_sub": arith(func(a, b float64) float64 { return a - b }),
		"_mul": arith(func(a, b float64) float64 { return a * b }),
		"_div": arith(func(a, b float64) float64 { return a / b }),
		"_mod": arith(math.Mod),
		"_pow": arith(math.Pow),
		"_add": {as: new(func(any, any) any), do: func(args ...any) (any, error) {
			a, ok := args[0].(string)
			b, too := args[1].(string)
			if ok && too && len(a)+len(b) <= maxExpanded {
				return a + b, nil
			}
			return add.do(args...)
		}},
		"_true": {as: new(func(any) bool), do: func(args ...any) (any, error) { return args[0] == true, nil }},
		"_get":  {as: new(func(any, any) any), do: func(args ...any) (any, error) { return member(args[0], args[1]), nil }},
	}
}

// member is a value in a map or list; nil if there is none.
func member(of, key any) any {
	switch of := of.(type) {
	case map[string]any:
		if k, ok := key.(string); ok {
			return of[k]
		}
	case []any:
		if f, ok := number(key); ok && f >= 0 && f < float64(len(of)) {
			return of[int(f)]
		}
	}
	return nil
}

// number is v as a number, if it is one. Text is not: "12" is not 12.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case int32:
		return float64(v), true
	case uint64:
		return float64(v), true
	case float32:
		return float64(v), true
	}
	return 0, false
}

func equal(a, b any) bool {
	if x, ok := number(a); ok {
		y, too := number(b)
		return too && x == y
	}
	switch a := a.(type) {
	case string:
		return a == b
	case bool:
		return a == b
	}
	return fmt.Sprint(a) == fmt.Sprint(b) // maps and lists: fmt prints keys in order
}

// order compares numbers with numbers and text with text; nothing else has an order.
func order(a, b any) (int, bool) {
	if x, ok := number(a); ok {
		y, too := number(b)
		switch {
		case !too || x != x || y != y:
			return 0, false
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	}
	s, ok := a.(string)
	t, too := b.(string)
	return strings.Compare(s, t), ok && too
}

// within: an element of a list, or a key of a map.
func within(a, of any) bool {
	switch of := of.(type) {
	case []any:
		for _, x := range of {
			if x != nil && equal(a, x) {
				return true
			}
		}
	case map[string]any:
		k, ok := a.(string)
		_, has := of[k]
		return ok && has
	}
	return false
}

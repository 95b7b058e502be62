package routing

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"
)

// Expressions are those of github.com/expr-lang/expr without its loops,
// assignments and library, and with one rule added: a missing value makes a
// comparison false and whatever is computed from it missing. They always end,
// change nothing, and only see the Scope.
const (
	maxExpression      = 1000 // characters
	maxExpressionNodes = 200
)

// ErrNoValue: a numeric expression came to nothing, because a value it needs is missing.
var ErrNoValue = errors.New("the expression has no value")

// expression is a compiled one; immutable.
type expression struct {
	source  string
	paths   []string // the values it reads: "crm.deal.amount"
	roots   []string // "crm"
	program *vm.Program
}

// compileCondition type-checks an expression that is true or false.
func compileCondition(src string) (*expression, error) { return compile(src, expr.AsBool()) }

// compileNumeric type-checks an expression that is a number.
func compileNumeric(src string) (*expression, error) { return compile(src, expr.AsFloat64()) }

func compile(src string, want expr.Option) (*expression, error) {
	r, err := checked(src, want, anyScope)
	if err != nil {
		return nil, err
	}
	options := language(anyScope)
	for op, f := range operations() {
		options = append(options, expr.Function(op, f.do, f.as))
	}
	program, err := expr.Compile(src, append(options, expr.Patch(total{}))...)
	if err != nil {
		return nil, firstLine(err)
	}
	slices.Sort(r.paths)
	return &expression{source: src, paths: slices.Compact(r.paths), roots: r.roots, program: program}, nil
}

// anyScope is what expressions read when nothing is known of the flow's variables.
var anyScope = scopeTypes(nil)

// checked type-checks an expression as it is written. How it is run has no types:
// every operation is made to bear missing values.
func checked(src string, want expr.Option, env types.Map) (*reader, error) {
	if strings.TrimSpace(src) == "" {
		return nil, errors.New("the expression is empty")
	}
	if utf8.RuneCountInString(src) > maxExpression {
		return nil, fmt.Errorf("the expression is longer than %d characters", maxExpression)
	}
	r := &reader{}
	if _, err := expr.Compile(src, append(language(env), want, expr.Patch(r))...); err != nil {
		return nil, firstLine(err)
	}
	if r.refused != "" {
		return nil, fmt.Errorf("%s has no place in a flow", r.refused)
	}
	return r, nil
}

// firstLine leaves out the drawing of where the error is.
func firstLine(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(line)
}

// language is what an expression may say: the roots and a few functions.
func language(env types.Map) []expr.Option {
	options := []expr.Option{
		expr.Env(env),
		expr.DisableAllBuiltins(),
		expr.Optimize(false),
		expr.MaxNodes(maxExpressionNodes),
	}
	for name, f := range functions() {
		options = append(options, expr.Function(name, f.do, f.as))
	}
	return options
}

// reader looks at an expression as written: what it reads, and what it must not contain.
type reader struct {
	paths   []string
	roots   []string
	refused string
}

// Visit is called for every part of the expression.
func (r *reader) Visit(node *ast.Node) {
	if n, ok := (*node).(*ast.IdentifierNode); ok && isRoot(n.Value) && !slices.Contains(r.roots, n.Value) {
		r.roots = append(r.roots, n.Value)
	}
	switch n := (*node).(type) {
	case *ast.NilNode, *ast.IdentifierNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode,
		*ast.UnaryNode, *ast.ConditionalNode, *ast.ArrayNode, *ast.ChainNode:
	case *ast.BinaryNode:
		if n.Operator != "??" && binary[n.Operator] == "" && !logical(n.Operator) {
			r.refused = fmt.Sprintf("operator %q", n.Operator)
		}
	case *ast.MemberNode:
		if p := dotted(n); p != "" {
			r.paths = slices.DeleteFunc(r.paths, func(shorter string) bool { return strings.HasPrefix(p, shorter+".") })
			r.paths = append(r.paths, p)
		}
	case *ast.CallNode:
		f, named := n.Callee.(*ast.IdentifierNode)
		known := false
		if named {
			_, known = functions()[f.Value]
		}
		if !known {
			r.refused = "calling " + n.Callee.String()
		}
	default:
		r.refused = fmt.Sprintf("%q", n.String())
	}
}

// dotted is a.b.c, or "" if it is no such path.
func dotted(n ast.Node) string {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value
	case *ast.ChainNode:
		return dotted(n.Node)
	case *ast.MemberNode:
		key, ok := n.Property.(*ast.StringNode)
		if base := dotted(n.Node); ok && base != "" {
			return base + "." + key.Value
		}
	}
	return ""
}

// machines are what expressions run on, kept for the next.
var machines = sync.Pool{New: func() any { return new(vm.VM) }}

// run evaluates; nil if what it needs is missing.
func (e *expression) run(scope map[string]any) (any, error) {
	machine, _ := machines.Get().(*vm.VM)
	v, err := machine.Run(e.program, scope)
	machines.Put(machine)
	if err != nil {
		return nil, fmt.Errorf("evaluate %q: %w", e.source, firstLine(err))
	}
	return v, nil
}

func (e *expression) holds(scope map[string]any) (bool, error) {
	v, err := e.run(scope)
	return v == true, err
}

func (e *expression) whole(scope map[string]any) (int, error) {
	v, err := e.run(scope)
	if err != nil {
		return 0, err
	}
	f, ok := number(v)
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("evaluate %q: %w", e.source, ErrNoValue)
	}
	return int(math.Round(min(max(f, math.MinInt32), math.MaxInt32))), nil
}

// EvalBool evaluates a condition in a Scope, as the `when` of a ladder step. A
// missing value makes a comparison false; an error means that the expression
// is none.
func EvalBool(src string, scope map[string]any) (bool, error) {
	e, err := compileCondition(src)
	if err != nil {
		return false, fmt.Errorf("condition %q: %w", src, err)
	}
	return e.holds(scope)
}

// EvalInt evaluates a numeric expression in a Scope, as a `priority`, rounded
// to the nearest whole number. ErrNoValue if what it needs is missing.
func EvalInt(src string, scope map[string]any) (int, error) {
	e, err := compileNumeric(src)
	if err != nil {
		return 0, fmt.Errorf("number %q: %w", src, err)
	}
	return e.whole(scope)
}

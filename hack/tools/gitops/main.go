// gitops-check judges objects as GitOps tools do: by a health script in the Lua engine of Argo CD, and by
// kstatus, which Flux and Helm use.
//
//	gitops-check health.lua <objects.json
//
// Standard input is a JSON list of Kubernetes objects. Standard output is a JSON list with a verdict for each.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Argo CD ends a health script after a second as well.
const luaTimeout = time.Second

type verdict struct {
	Argo        string `json:"argo"`
	ArgoMessage string `json:"argoMessage"`
	Kstatus     string `json:"kstatus"`
	Message     string `json:"message"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gitops-check:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: gitops-check HEALTH.LUA <OBJECTS.JSON")
	}
	script, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var objects []map[string]any
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return err
	}
	verdicts := make([]verdict, 0, len(objects))
	for _, object := range objects {
		of, err := judge(string(script), object)
		if err != nil {
			return fmt.Errorf("%v: %w", object["metadata"], err)
		}
		verdicts = append(verdicts, of)
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}

func judge(script string, object map[string]any) (verdict, error) {
	health, message, err := argo(script, object)
	if err != nil {
		return verdict{}, err
	}
	// A round trip: kstatus wants integers as the API machinery decodes them.
	text, err := json.Marshal(object)
	if err != nil {
		return verdict{}, err
	}
	decoded := &unstructured.Unstructured{}
	if err := decoded.UnmarshalJSON(text); err != nil {
		return verdict{}, err
	}
	result, err := status.Compute(decoded)
	if err != nil {
		return verdict{}, err
	}
	return verdict{Argo: health, ArgoMessage: message, Kstatus: string(result.Status), Message: result.Message}, nil
}

// argo runs the script as Argo CD does: the libraries package, base and table, the object as "obj", and a table
// with "status" and "message" as the result.
func argo(script string, object map[string]any) (string, string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		state.Push(state.NewFunction(library.open))
		state.Push(lua.LString(library.name))
		if err := state.PCall(1, 0, nil); err != nil {
			return "", "", err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), luaTimeout)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", errors.New("the script returns no table")
	}
	health := lua.LVAsString(table.RawGetString("status"))
	switch health {
	case "Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown":
	default:
		return "", "", fmt.Errorf("the script returns the status %q", health)
	}
	return health, lua.LVAsString(table.RawGetString("message")), nil
}

func value(state *lua.LState, decoded any) lua.LValue {
	switch of := decoded.(type) {
	case bool:
		return lua.LBool(of)
	case float64:
		return lua.LNumber(of)
	case string:
		return lua.LString(of)
	case []any:
		table := state.CreateTable(len(of), 0)
		for _, item := range of {
			table.Append(value(state, item))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(of))
		for key, item := range of {
			table.RawSetString(key, value(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}

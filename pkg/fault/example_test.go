package fault_test

import (
	"errors"
	"fmt"

	"github.com/slipway-ai/slipway/pkg/fault"
)

// The store knows why, the caller is told what, and programs branch on the kind.
func ExampleWrap() {
	cause := errors.New("pq: duplicate key value violates unique constraint models_pkey")
	err := fault.Wrap("registry.CreateModel", fault.AlreadyExists, cause, "model %s exists", "main.qa.bot").WithReason("MODEL_EXISTS")

	fmt.Println("caller: ", fault.Text(err))
	fmt.Println("program:", fault.KindOf(err), fault.Reason(err), fault.HTTPStatus(fault.KindOf(err)))
	fmt.Println("log:    ", err)
	// Output:
	// caller:  model main.qa.bot exists
	// program: ALREADY_EXISTS MODEL_EXISTS 409
	// log:     registry.CreateModel: ALREADY_EXISTS MODEL_EXISTS: model main.qa.bot exists: pq: duplicate key value violates unique constraint models_pkey
}

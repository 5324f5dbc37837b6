package domain

import "slices"

// Privilege is something that a grant allows.
type Privilege string

// The privileges. They are independent: MANAGE allows to give oneself EXECUTE, it does not contain it, so that who may use
// a thing can always be read from its grants. Owning a thing contains them all.
const (
	UseCatalog         Privilege = "USE_CATALOG"          // pass through a catalog
	UseSchema          Privilege = "USE_SCHEMA"           // pass through a schema
	Execute            Privilege = "EXECUTE"              // load a model, resolve a prompt, query an endpoint
	Manage             Privilege = "MANAGE"               // change, delete, grant
	CreateCatalog      Privilege = "CREATE_CATALOG"       // on the metastore
	CreateSchema       Privilege = "CREATE_SCHEMA"        // on a catalog or above
	CreateModel        Privilege = "CREATE_MODEL"         // on a schema or above
	CreatePrompt       Privilege = "CREATE_PROMPT"        // on a schema or above
	CreateModelVersion Privilege = "CREATE_MODEL_VERSION" // on a model or above
	CreateEndpoint     Privilege = "CREATE_ENDPOINT"      // on the metastore
)

// grantable is the table of what may be given where: on the things that the privilege is about, and on everything above
// them, from where it is inherited.
var grantable = map[Privilege][]SecurableType{
	UseCatalog:         {TypeMetastore, TypeCatalog},
	UseSchema:          {TypeMetastore, TypeCatalog, TypeSchema},
	Execute:            {TypeMetastore, TypeCatalog, TypeSchema, TypeModel, TypePrompt, TypeEndpoint},
	Manage:             {TypeMetastore, TypeCatalog, TypeSchema, TypeModel, TypePrompt, TypeEndpoint},
	CreateCatalog:      {TypeMetastore},
	CreateSchema:       {TypeMetastore, TypeCatalog},
	CreateModel:        {TypeMetastore, TypeCatalog, TypeSchema},
	CreatePrompt:       {TypeMetastore, TypeCatalog, TypeSchema},
	CreateModelVersion: {TypeMetastore, TypeCatalog, TypeSchema, TypeModel},
	CreateEndpoint:     {TypeMetastore},
}

// Known reports whether p is one of the privileges.
func (p Privilege) Known() bool { return grantable[p] != nil }

// GrantableOn reports whether p can be given on things of type t.
func (p Privilege) GrantableOn(t SecurableType) bool { return slices.Contains(grantable[p], t) }

// passage is the privilege that it takes to pass through a thing of type t to what is below it; empty for the metastore,
// which everyone who is anyone may pass.
func passage(t SecurableType) Privilege {
	switch t {
	case TypeCatalog:
		return UseCatalog
	case TypeSchema:
		return UseSchema
	}
	return ""
}

// Browse is the privileges each of which lets its holder see a thing of type t in lists and read its description.
func Browse(t SecurableType) []Privilege {
	switch t {
	case TypeCatalog:
		return []Privilege{UseCatalog}
	case TypeSchema:
		return []Privilege{UseSchema}
	case TypeModel:
		return []Privilege{Execute, Manage, CreateModelVersion}
	}
	return []Privilege{Execute, Manage}
}

package kdc

import (
	"fmt"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// skew is how far a client's clock may be off.
const skew = 5 * time.Minute

// refusal is an answer of type KRB_ERROR.
type refusal struct {
	code int32
	text string
	data []byte
}

func (r *refusal) Error() string { return r.text }

// answer gives the answer to one request.
func (k *KDC) answer(b []byte) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var as messages.ASReq
	if as.Unmarshal(b) == nil {
		return k.finish(Request{Kind: "AS"}, as.ReqBody, func(r *Request) ([]byte, error) { return k.as(as, r) })
	}
	var tgs messages.TGSReq
	if err := tgs.Unmarshal(b); err != nil {
		return nil, err
	}
	return k.finish(Request{Kind: "TGS"}, tgs.ReqBody, func(r *Request) ([]byte, error) { return k.tgs(tgs, r) })
}

// finish notes the request and turns a refusal into a message.
func (k *KDC) finish(r Request, body messages.KDCReqBody, do func(*Request) ([]byte, error)) ([]byte, error) {
	r.Client, r.Service = principal(body.CName.NameString), principal(body.SName.NameString)
	out, err := do(&r)
	if no, ok := err.(*refusal); ok {
		r.Refused = no.text
		m := messages.NewKRBError(body.SName, k.realm, no.code, no.text)
		m.EData = no.data
		out, err = m.Marshal()
	}
	k.note(r)
	return out, err
}

// as grants a ticket for the ticket granting service to who proves that he has
// the client's key.
func (k *KDC) as(req messages.ASReq, r *Request) ([]byte, error) {
	r.FAST = req.PAData.Contains(patype.PA_REQ_ENC_PA_REP)
	r.PreAuth = req.PAData.Contains(patype.PA_ENC_TIMESTAMP)
	body := req.ReqBody
	key, known := k.key(body.CName, body.EType)
	if !known || body.Realm != k.realm {
		return nil, &refusal{errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN, "client not found", nil}
	}
	hint, err := preAuthHint(key)
	if err != nil {
		return nil, err
	}
	if !r.PreAuth {
		return nil, &refusal{errorcode.KDC_ERR_PREAUTH_REQUIRED, "pre-authentication required", hint}
	}
	if !provesKey(req.PAData, key) {
		return nil, &refusal{errorcode.KDC_ERR_PREAUTH_FAILED, "pre-authentication failed", hint}
	}
	t, part, err := k.ticket(body.CName, body, flags.Initial, flags.PreAuthent)
	if err != nil {
		return nil, err
	}
	rep := messages.ASRep{KDCRepFields: messages.KDCRepFields{
		PVNO: 5, MsgType: msgtype.KRB_AS_REP, CRealm: k.realm, CName: body.CName, Ticket: t,
	}}
	if rep.EncPart, err = crypto.GetEncryptedData(part, key, keyusage.AS_REP_ENCPART, 1); err != nil {
		return nil, err
	}
	return rep.Marshal()
}

// key gives a principal's key of the first type that the client takes.
func (k *KDC) key(name types.PrincipalName, etypes []int32) (types.EncryptionKey, bool) {
	for _, t := range etypes {
		if key, _, err := k.keys.GetEncryptionKey(name, k.realm, 0, t); err == nil {
			return key, true
		}
	}
	return types.EncryptionKey{}, false
}

// preAuthHint names the type of key with which the time is to be encrypted.
func preAuthHint(key types.EncryptionKey) ([]byte, error) {
	info, err := asn1.Marshal(types.ETypeInfo2{{EType: key.KeyType}})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(types.PADataSequence{
		{PADataType: patype.PA_ENC_TIMESTAMP, PADataValue: []byte{}},
		{PADataType: patype.PA_ETYPE_INFO2, PADataValue: info},
	})
}

// provesKey checks the encrypted time.
func provesKey(pas types.PADataSequence, key types.EncryptionKey) bool {
	for _, pa := range pas {
		var ed types.EncryptedData
		if pa.PADataType != patype.PA_ENC_TIMESTAMP || ed.Unmarshal(pa.PADataValue) != nil {
			continue
		}
		var ts types.PAEncTSEnc
		plain, err := crypto.DecryptEncPart(ed, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP)
		return err == nil && ts.Unmarshal(plain) == nil && time.Since(ts.PATimestamp).Abs() < skew
	}
	return false
}

// tgs grants a ticket for a service to who has a ticket of as and the key that
// came with it.
func (k *KDC) tgs(req messages.TGSReq, r *Request) ([]byte, error) {
	ap, err := k.proof(req)
	if err != nil {
		return nil, &refusal{errorcode.KRB_AP_ERR_BAD_INTEGRITY, err.Error(), nil}
	}
	client := ap.Ticket.DecryptedEncPart.CName
	r.Client = principal(client.NameString)
	if _, known := k.key(req.ReqBody.SName, []int32{AES256, AES128}); !known {
		return nil, &refusal{errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN, "service not found", nil}
	}
	t, part, err := k.ticket(client, req.ReqBody)
	if err != nil {
		return nil, err
	}
	rep := messages.TGSRep{KDCRepFields: messages.KDCRepFields{
		PVNO: 5, MsgType: msgtype.KRB_TGS_REP, CRealm: k.realm, CName: client, Ticket: t,
	}}
	session := ap.Ticket.DecryptedEncPart.Key
	if rep.EncPart, err = crypto.GetEncryptedData(part, session, keyusage.TGS_REP_ENCPART_SESSION_KEY, 0); err != nil {
		return nil, err
	}
	return rep.Marshal()
}

// proof checks the ticket and the authenticator that a request carries.
func (k *KDC) proof(req messages.TGSReq) (messages.APReq, error) {
	var ap messages.APReq
	for _, pa := range req.PAData {
		if pa.PADataType == patype.PA_TGS_REQ {
			if err := ap.Unmarshal(pa.PADataValue); err != nil {
				return ap, err
			}
		}
	}
	if principal(ap.Ticket.SName.NameString) != "krbtgt/"+k.realm {
		return ap, fmt.Errorf("no ticket for krbtgt/%s", k.realm)
	}
	if err := ap.Ticket.DecryptEncPart(k.keys, nil); err != nil {
		return ap, err
	}
	part := ap.Ticket.DecryptedEncPart
	if err := ap.DecryptAuthenticator(part.Key); err != nil {
		return ap, err
	}
	body, err := req.ReqBody.Marshal()
	if err != nil {
		return ap, err
	}
	et, err := crypto.GetEtype(part.Key.KeyType)
	switch {
	case err != nil:
		return ap, err
	case !et.VerifyChecksum(part.Key.KeyValue, body, ap.Authenticator.Cksum.Checksum, keyusage.TGS_REQ_PA_TGS_REQ_AP_REQ_AUTHENTICATOR_CHKSUM):
		return ap, fmt.Errorf("wrong checksum")
	case !ap.Authenticator.CName.Equal(part.CName):
		return ap, fmt.Errorf("another client's ticket")
	case time.Since(ap.Authenticator.CTime).Abs() > skew || time.Now().After(part.EndTime):
		return ap, fmt.Errorf("too old")
	}
	return ap, nil
}

// ticket makes a ticket for body's service and what the client is told of it.
func (k *KDC) ticket(client types.PrincipalName, body messages.KDCReqBody, set ...int) (messages.Ticket, []byte, error) {
	key, known := k.key(body.SName, []int32{AES256, AES128})
	if !known {
		return messages.Ticket{}, nil, fmt.Errorf("no key of %s", principal(body.SName.NameString))
	}
	now := time.Now().UTC().Truncate(time.Second)
	end := now.Add(time.Hour)
	f := types.NewKrbFlags()
	types.SetFlags(&f, set)
	t, session, err := messages.NewTicket(client, k.realm, body.SName, k.realm, f, k.keys, key.KeyType, 1, now, now, end, end)
	if err != nil {
		return t, nil, err
	}
	part := messages.EncKDCRepPart{
		Key: session, LastReqs: []messages.LastReq{{LRType: 0, LRValue: now}}, Nonce: body.Nonce, Flags: f,
		AuthTime: now, StartTime: now, EndTime: end, RenewTill: end, SRealm: k.realm, SName: body.SName,
	}
	b, err := part.Marshal()
	return t, b, err
}

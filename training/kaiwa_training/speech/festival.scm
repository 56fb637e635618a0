;; Says every utterance of a batch: one wave file each, and its segments' and tokens' times.
;; Called by festival.py, which loads abroad.scm before and appends one (kaiwa_say ...) for each
;; utterance.

(define (kaiwa_voice name)
  (set! kaiwa_abroad (assoc_string name kaiwa_voices_abroad))
  (if kaiwa_abroad
      (kaiwa_voice_abroad kaiwa_abroad)
      (eval (list (intern (string-append "voice_" name))))))

(define (kaiwa_say text wave stretch pitch_hz)
  (Parameter.set 'Duration_Stretch stretch)
  (if (> pitch_hz 0)
      (set! int_lr_params
            (cons (list 'target_f0_mean pitch_hz)
                  (cons '(target_f0_std 14) '((model_f0_mean 170) (model_f0_std 34))))))
  (let ((utterance (eval (list 'Utterance 'Text text))))
    (if kaiwa_abroad
        (kaiwa_synth_abroad utterance)
        (begin (utt.synth utterance) (kaiwa_print_segments utterance)))
    (utt.save.wave utterance wave 'riff)
    (mapcar (lambda (token)
              (format t "token %s\n"
                      (item.feat token
                        "daughter1.R:SylStructure.daughter1.daughter1.segment_start")))
            (kaiwa_tokens utterance))
    (format t "done\n")))

(define (kaiwa_print_segments utterance)
  (mapcar (lambda (segment)
            (format t "segment %s %f\n" (kaiwa_phone segment) (item.feat segment "end")))
          (utt.relation.items utterance 'Segment)))

(define (kaiwa_phone segment)
  (if (and kaiwa_abroad (eq? '? (car (kaiwa_spoken_as segment)))) "?" (item.name segment)))

(define (kaiwa_tokens utterance)
  (let ((tops nil) (token (utt.relation.first utterance 'Token)))
    (while token
      (set! tops (cons token tops))
      (set! token (item.next token)))
    (reverse tops)))
